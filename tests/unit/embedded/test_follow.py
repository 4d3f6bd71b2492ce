from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from nightloom.core.errors import FaultError
from nightloom.embedded import follow
from nightloom.embedded.airflow_api import AirflowApi, DagRun, TaskRun
from nightloom.embedded.follow import find_running, follow_night, follow_run, measure_idle

NIGHT = date(2026, 11, 23)
ONE_O_CLOCK = datetime(2026, 11, 23, 1, tzinfo=UTC)
CHAIN = ("r__prepare", "r__finetune", "r__predict", "r__report")


def run_of(dag_id: str, state: str = "success", *, night: str | None = "2026-11-23", minute: int = 0) -> DagRun:
    moment = ONE_O_CLOCK + timedelta(minutes=minute)
    return DagRun(dag_id, f"{dag_id} at {minute}", state, night, moment, moment)


def task_of(state: str, try_number: int = 1) -> TaskRun:
    return TaskRun("r__prepare", "run", "open_night", -1, try_number, state, None)


class ScriptedAirflow(AirflowApi):
    """Airflow with these runs. Each poll returns the next of the given states and tasks."""

    def __init__(self, runs: list[DagRun], *, states: str = "", polls: list[list[TaskRun]] | None = None) -> None:
        super().__init__("http://airflow", "admin", "secret")
        self.known = runs
        self.states = iter(states.split())
        self.polls = iter(polls or [])

    def run(self, dag_id: str, run_id: str) -> DagRun:
        run = next(run for run in self.known if run.run_id == run_id)
        return replace(run, state=next(self.states, run.state))

    def runs(self, dag_id: str, **filters: Any) -> list[DagRun]:
        states = filters.get("state", ["success", "failed", "running"])
        return [run for run in self.known if run.dag_id == dag_id and run.state in states]

    def tasks(self, run: DagRun) -> list[TaskRun]:
        return next(self.polls, [])


class Recorder:
    """Listener that records the states of tasks."""

    def __init__(self) -> None:
        self.tasks: list[tuple[int, str]] = []

    def on_task(self, task: TaskRun) -> None:
        self.tasks.append((task.try_number, task.state))

    def on_line(self, task: TaskRun, line: str) -> None:
        raise AssertionError(line)


def test_chain_is_followed_to_its_end() -> None:
    airflow = ScriptedAirflow([run_of(dag_id, minute=minute) for minute, dag_id in enumerate(CHAIN)])

    runs = follow_night(airflow, "r", NIGHT, airflow.known[0], Recorder(), poll_s=0)

    assert [run.dag_id for run in runs] == list(CHAIN)


def test_failed_stage_does_not_end_chain() -> None:
    states = ("success", "failed", "success", "success")
    known = [run_of(dag_id, state) for dag_id, state in zip(CHAIN, states, strict=True)]

    runs = follow_night(ScriptedAirflow(known), "r", NIGHT, known[0], Recorder(), poll_s=0)

    assert [run.state for run in runs] == list(states)


def test_each_task_state_is_reported_once() -> None:
    polls = [
        [task_of("running")],
        [task_of("running")],
        [task_of("up_for_retry")],
        [task_of("running", 2)],
        [task_of("success", 2)],
    ]
    run, recorder = run_of("r__prepare"), Recorder()
    airflow = ScriptedAirflow([run], states="running running running running success", polls=polls)

    follow_run(airflow, run, recorder, poll_s=0)

    assert recorder.tasks == [(1, "running"), (1, "up_for_retry"), (2, "running"), (2, "success")]


def test_earlier_run_of_same_night_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_HOP_S", 0.01)
    known = [run_of("r__prepare", minute=5), run_of("r__finetune", minute=1)]

    with pytest.raises(FaultError, match="no run of r__finetune started for night 2026-11-23"):
        follow_night(ScriptedAirflow(known), "r", NIGHT, known[0], Recorder(), poll_s=0.01)


def test_running_stage_of_chain_is_found() -> None:
    known = [run_of("r__prepare", "success"), run_of("r__predict", "running")]

    found = find_running(ScriptedAirflow(known), "r", NIGHT, "UTC")

    assert found == known[1]


def test_run_of_another_night_is_ignored() -> None:
    known = [run_of("r__prepare", "running", night="2026-11-22")]

    assert find_running(ScriptedAirflow(known), "r", NIGHT, "UTC") is None


def test_empty_form_run_belongs_to_its_day() -> None:
    known = [run_of("r__prepare", "running", night=None)]

    assert find_running(ScriptedAirflow(known), "r", NIGHT, "UTC") == known[0]
    assert find_running(ScriptedAirflow(known), "r", NIGHT, "America/New_York") is None


def spell(minute: int, until: int) -> TaskRun:
    times = [datetime(2026, 11, 23, 1, at, tzinfo=UTC) for at in (minute, until)]
    return TaskRun("r__prepare", "run", "a", -1, 1, "success", None, None, *times)


def test_idle_time_is_measured() -> None:
    assert measure_idle([spell(0, 2), spell(1, 4), spell(6, 7), spell(6, 9), spell(10, 11)]) == 3 * 60
    assert measure_idle([]) == 0
