"""Turns: whatever starts first, nights begin in the order of their dates."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRescheduleException
from airflow.timetables.trigger import CronPartitionTimetable
from airflow.utils.types import DagRunType
from nightloom.core.nights import utc_now
from nightloom.nightly import prepare
from nightloom.orchestration.steps import StepOperator
from nightloom.orchestration.turns import find_night_to_wait_for


def make_run_id(kind: DagRunType, day: int) -> str:
    """Return a run id as Airflow makes it."""
    timetable = CronPartitionTimetable("0 1 * * *", timezone="Asia/Tokyo", key_format="%Y-%m-%d")
    start = datetime(2026, 11, day, 16, tzinfo=UTC) - timedelta(days=1)
    return timetable.generate_run_id(
        run_type=kind,
        run_after=start,  # type: ignore[arg-type]  # a DateTime of pendulum is one
        data_interval=None,
        partition_key=f"2026-11-{day:02}",
    )


class Task:
    """A task of one of the runs, which asks about the others."""

    dag_id = "triage__prepare"

    def __init__(self, runs: dict[str, tuple[str, str | None]], since: datetime | None = None) -> None:
        self.runs, self.since = runs, since

    def get_task_states(self, dag_id: str) -> dict[str, dict[str, str | None]]:
        assert dag_id == self.dag_id
        return {run: {"open_night": task, "announce": None} for run, (_, task) in self.runs.items()}

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        assert dag_id == self.dag_id
        return self.runs[run_id][0]

    def get_first_reschedule_date(self, _context: Any) -> datetime | None:
        return self.since


def ask(run_id: str, night: str, task: Task) -> str | None:
    context: Any = {"ti": task, "dag_run": SimpleNamespace(run_id=run_id)}
    return find_night_to_wait_for(context, night)


BACKFILL, SCHEDULED = DagRunType.BACKFILL_JOB, DagRunType.SCHEDULED


def begin_all(days: Sequence[int], order: random.Random) -> list[str]:
    """Run all opening tasks in a random order until each has begun, and return the nights in which they did."""
    runs: dict[str, tuple[str, str | None]] = {make_run_id(BACKFILL, day): ("running", None) for day in days}
    nights = dict(zip(runs, (f"2026-11-{day:02}" for day in days), strict=True))
    begun: list[str] = []
    while len(begun) < len(days):
        run = order.choice([run for run, (_, state) in runs.items() if state != "success"])
        waits = ask(run, nights[run], Task(runs))
        runs[run] = ("running", "up_for_reschedule" if waits else "success")
        begun += [] if waits else [nights[run]]
    return begun


@pytest.mark.parametrize("seed", range(5))
def test_backfill_begins_nights_in_order(seed: int) -> None:
    assert begin_all(range(5, 15), random.Random(seed)) == [f"2026-11-{day:02}" for day in range(5, 15)]


@pytest.mark.parametrize(
    ("state", "task", "waits"),
    [
        ("running", None, "2026-11-05"),
        ("running", "up_for_retry", "2026-11-05"),
        ("running", "success", None),
        ("failed", "failed", None),
        ("queued", None, None),
    ],
    ids=["not started", "tried again", "opened", "ended", "its turn has not come"],
)
def test_tonight_waits_for_older_running_night(state: str, task: str | None, waits: str | None) -> None:
    runs = {make_run_id(BACKFILL, 5): (state, task), make_run_id(BACKFILL, 25): ("running", None)}
    assert ask(make_run_id(SCHEDULED, 23), "2026-11-23", Task(runs)) == waits


def test_run_by_hand_waits_for_no_run() -> None:
    runs = {make_run_id(BACKFILL, 5): ("running", None), "manual__2026-11-01T01:00:00+00:00": ("running", None)}
    assert ask("manual__2026-11-23T01:00:00+00:00", "2026-11-23", Task(runs)) is None


def test_night_does_not_wait_forever() -> None:
    task = Task({make_run_id(BACKFILL, 5): ("running", None)}, since=utc_now() - timedelta(minutes=16))
    assert ask(make_run_id(SCHEDULED, 23), "2026-11-23", task) is None


def test_waiting_task_is_rescheduled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "open_night", lambda *_: pytest.fail("the night began before its turn"))
    step = StepOperator(task_id="open_night", step="open_night", recipe="triage", stage="prepare", timezone="UTC")
    run = SimpleNamespace(
        run_id=make_run_id(SCHEDULED, 23), partition_key="2026-11-23", logical_date=None, run_after=None
    )
    task = Task({make_run_id(BACKFILL, 22): ("running", None)})
    with pytest.raises(AirflowRescheduleException):
        step.execute({"ti": task, "dag_run": run, "params": {"night": None}})  # type: ignore[arg-type, typeddict-item]
