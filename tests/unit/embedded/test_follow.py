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
    """Knows these runs; the tasks, and the states of a run, are what is written down, one look after the other."""

    def __init__(self, runs: list[DagRun], *, states: str = "", looks: list[list[TaskRun]] | None = None) -> None:
        super().__init__("http://airflow", "admin", "secret")
        self.known = runs
        self.states = iter(states.split())
        self.looks = iter(looks or [])

    def run(self, dag_id: str, run_id: str) -> DagRun:
        run = next(run for run in self.known if run.run_id == run_id)
        return replace(run, state=next(self.states, run.state))

    def runs(self, dag_id: str, **filters: Any) -> list[DagRun]:
        states = filters.get("state", ["success", "failed", "running"])
        return [run for run in self.known if run.dag_id == dag_id and run.state in states]

    def tasks(self, run: DagRun) -> list[TaskRun]:
        return next(self.looks, [])


class Heard:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.tasks: list[tuple[int, str]] = []

    def on_task(self, task: TaskRun) -> None:
        self.tasks.append((task.try_number, task.state))

    def on_line(self, task: TaskRun, line: str) -> None:
        raise AssertionError(line)


def test_a_chain_is_followed_to_its_end() -> None:
    airflow = ScriptedAirflow([run_of(dag_id, minute=minute) for minute, dag_id in enumerate(CHAIN)])

    runs = follow_night(airflow, "r", NIGHT, airflow.known[0], Heard(), poll_s=0)

    assert [run.dag_id for run in runs] == list(CHAIN)


def test_a_failed_stage_does_not_end_the_chain() -> None:
    states = ("success", "failed", "success", "success")
    known = [run_of(dag_id, state) for dag_id, state in zip(CHAIN, states, strict=True)]

    runs = follow_night(ScriptedAirflow(known), "r", NIGHT, known[0], Heard(), poll_s=0)

    assert [run.state for run in runs] == list(states)


def test_each_state_of_a_task_is_told_once() -> None:
    looks = [
        [task_of("running")],
        [task_of("running")],
        [task_of("up_for_retry")],
        [task_of("running", 2)],
        [task_of("success", 2)],
    ]
    run, heard = run_of("r__prepare"), Heard()
    airflow = ScriptedAirflow([run], states="running running running running success", looks=looks)

    follow_run(airflow, run, heard, poll_s=0)

    assert heard.tasks == [(1, "running"), (1, "up_for_retry"), (2, "running"), (2, "success")]


def test_an_earlier_run_of_the_same_night_is_not_taken_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_HOP_S", 0.01)
    known = [run_of("r__prepare", minute=5), run_of("r__finetune", minute=1)]

    with pytest.raises(FaultError, match="no run of r__finetune began for night 2026-11-23"):
        follow_night(ScriptedAirflow(known), "r", NIGHT, known[0], Heard(), poll_s=0.01)


def test_a_run_under_way_is_found_wherever_the_chain_is() -> None:
    known = [run_of("r__prepare", "success"), run_of("r__predict", "running")]

    found = find_running(ScriptedAirflow(known), "r", NIGHT, "UTC")

    assert found == known[1]


def test_another_nights_run_is_left_alone() -> None:
    known = [run_of("r__prepare", "running", night="2026-11-22")]

    assert find_running(ScriptedAirflow(known), "r", NIGHT, "UTC") is None


def test_a_run_from_the_empty_form_is_of_its_day() -> None:
    known = [run_of("r__prepare", "running", night=None)]

    assert find_running(ScriptedAirflow(known), "r", NIGHT, "UTC") == known[0]
    assert find_running(ScriptedAirflow(known), "r", NIGHT, "America/New_York") is None


def spell(minute: int, until: int) -> TaskRun:
    times = [datetime(2026, 11, 23, 1, at, tzinfo=UTC) for at in (minute, until)]
    return TaskRun("r__prepare", "run", "a", -1, 1, "success", None, None, *times)


def test_time_without_a_task_is_measured() -> None:
    assert measure_idle([spell(0, 2), spell(1, 4), spell(6, 7), spell(6, 9), spell(10, 11)]) == 3 * 60
    assert measure_idle([]) == 0
