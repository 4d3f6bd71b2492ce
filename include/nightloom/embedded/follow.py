"""Follow: a night's four runs through Airflow, one after the other, told task by task."""

import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from nightloom.core.errors import FaultError
from nightloom.core.nights import night_of
from nightloom.core.stages import STAGES
from nightloom.embedded.airflow_api import AirflowApi, DagRun, TaskRun

_LOG_S = 3.0
# From the end of one run to the beginning of the next; measured at 1 to 2 s on a quiet machine.
_HOP_S = 120


class Listener(Protocol):
    """Whoever wants to know how the night goes."""

    def on_task(self, task: TaskRun) -> None:
        """Hear that a task has come to another state."""

    def on_line(self, task: TaskRun, line: str) -> None:
        """Hear the last line that a running task has logged."""


def dag_ids(recipe: str) -> list[str]:
    """Return the Dags of a recipe's night, in their order."""
    return [f"{recipe}__{stage}" for stage in STAGES]


def find_running(api: AirflowApi, recipe: str, night: date, timezone: str) -> DagRun | None:
    """Return the run of that night that is under way, the furthest of its chain; nothing when none is."""
    for dag_id in reversed(dag_ids(recipe)):
        for run in api.runs(dag_id, state=["queued", "running"]):
            # A run from the empty form carries no night of its own: it is that of the day on which it began.
            if (run.night or night_of(run.run_after, timezone).isoformat()) == night.isoformat():
                return run
    return None


def follow_night(
    api: AirflowApi, recipe: str, night: date, first: DagRun, listener: Listener, *, poll_s: float = 1
) -> list[DagRun]:
    """Follow the chain from a run of it to its end, and give the runs as they ended.

    Args:
        api: Airflow.
        recipe: Name of the recipe.
        night: The night that the runs belong to.
        first: The run to begin with.
        listener: Is told how it goes.
        poll_s: Time between two looks.

    Raises:
        FaultError: The chain stopped: a run ended, and the next one did not begin.
    """
    chain = dag_ids(recipe)
    runs = [follow_run(api, first, listener, poll_s)]
    for dag_id in chain[chain.index(first.dag_id) + 1 :]:
        began = _wait_for_run(api, dag_id, night, since=runs[-1].queued_at, poll_s=poll_s)
        runs.append(follow_run(api, began, listener, poll_s))
    return runs


def measure_idle(tasks: Iterable[TaskRun]) -> float:
    """Return the seconds between the first task's beginning and the last one's end in which no task ran."""
    spans = sorted((task.started_at, task.ended_at) for task in tasks if task.started_at and task.ended_at)
    idle_s, until = 0.0, None
    for began, ended in spans:
        idle_s += max(0.0, (began - until).total_seconds()) if until else 0.0
        until = max(until, ended) if until else ended
    return idle_s


def follow_run(api: AirflowApi, run: DagRun, listener: Listener, poll_s: float) -> DagRun:
    """Follow one run to its end, and give it as it ended."""
    told: dict[tuple[str, int], tuple[int, str]] = {}
    last_line = time.monotonic()
    while True:
        run = api.run(run.dag_id, run.run_id)  # before its tasks, so that their last states are told too
        tasks = api.tasks(run)
        for task in tasks:
            if told.get((task.task_id, task.map_index)) != (task.try_number, task.state):
                told[task.task_id, task.map_index] = (task.try_number, task.state)
                listener.on_task(task)
        if run.is_over:
            return run
        if time.monotonic() - last_line >= _LOG_S:
            last_line = time.monotonic()
            _tell_lines(api, tasks, listener)
        time.sleep(poll_s)


def _wait_for_run(api: AirflowApi, dag_id: str, night: date, since: datetime, poll_s: float) -> DagRun:
    deadline = time.monotonic() + _HOP_S
    while time.monotonic() < deadline:
        for run in api.runs(dag_id, partition_key_pattern=night.isoformat()):
            if run.night == night.isoformat() and run.queued_at >= since:
                return run
        time.sleep(poll_s)
    msg = (
        f"no run of {dag_id} began for night {night} within {_HOP_S} s; "
        f"see {api.url}/dags/{dag_id} for a pause, an import error, or a scheduler that is not healthy"
    )
    raise FaultError(msg)


def _tell_lines(api: AirflowApi, tasks: Sequence[TaskRun], listener: Listener) -> None:
    for task in tasks:
        if task.state == "running" and (line := api.last_log_line(task)):
            listener.on_line(task, line)
