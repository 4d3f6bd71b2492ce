"""Follow: watch the four Dag runs of a night one after the other, and report each task to a listener."""

import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from nightloom.core.errors import FaultError
from nightloom.core.nights import night_of
from nightloom.core.stages import STAGES
from nightloom.embedded.airflow_api import AirflowApi, DagRun, TaskRun

_LOG_S = 3.0
# Longest time between the end of a run and the start of the next. It takes 1 to 2 s on an idle machine.
_HOP_S = 120


class Listener(Protocol):
    """Receiver of the events of a night."""

    def on_task(self, task: TaskRun) -> None:
        """Handle a new state of a task."""

    def on_line(self, task: TaskRun, line: str) -> None:
        """Handle the last log line of a running task."""


def dag_ids(recipe: str) -> list[str]:
    """Return the ids of the Dags of a recipe's night, in their order."""
    return [f"{recipe}__{stage}" for stage in STAGES]


def find_running(api: AirflowApi, recipe: str, night: date, timezone: str) -> DagRun | None:
    """Return the running Dag run of a night, the last one in the chain, or None if none is running."""
    for dag_id in reversed(dag_ids(recipe)):
        for run in api.runs(dag_id, state=["queued", "running"]):
            # A run from the empty form has no night of its own. Its night is the day on which it began.
            if (run.night or night_of(run.run_after, timezone).isoformat()) == night.isoformat():
                return run
    return None


def follow_night(
    api: AirflowApi, recipe: str, night: date, first: DagRun, listener: Listener, *, poll_s: float = 1
) -> list[DagRun]:
    """Follow a night's chain of runs from one of them to the end, and return the ended runs.

    Args:
        api: Airflow.
        recipe: Name of the recipe.
        night: The night that the runs belong to.
        first: The run to begin with.
        listener: Receives the events.
        poll_s: Seconds between two polls.

    Raises:
        FaultError: A run ended, and the next one did not start in time.
    """
    chain = dag_ids(recipe)
    runs = [follow_run(api, first, listener, poll_s)]
    for dag_id in chain[chain.index(first.dag_id) + 1 :]:
        began = _wait_for_run(api, dag_id, night, since=runs[-1].queued_at, poll_s=poll_s)
        runs.append(follow_run(api, began, listener, poll_s))
    return runs


def measure_idle(tasks: Iterable[TaskRun]) -> float:
    """Return the seconds in which no task ran, between the start of the first task and the end of the last."""
    spans = sorted((task.started_at, task.ended_at) for task in tasks if task.started_at and task.ended_at)
    idle_s, until = 0.0, None
    for began, ended in spans:
        idle_s += max(0.0, (began - until).total_seconds()) if until else 0.0
        until = max(until, ended) if until else ended
    return idle_s


def follow_run(api: AirflowApi, run: DagRun, listener: Listener, poll_s: float) -> DagRun:
    """Follow a run to its end, and return the ended run."""
    reported: dict[tuple[str, int], tuple[int, str]] = {}
    last_line = time.monotonic()
    while True:
        run = api.run(run.dag_id, run.run_id)  # before its tasks, so that their last states are reported too
        tasks = api.tasks(run)
        for task in tasks:
            if reported.get((task.task_id, task.map_index)) != (task.try_number, task.state):
                reported[task.task_id, task.map_index] = (task.try_number, task.state)
                listener.on_task(task)
        if run.is_over:
            return run
        if time.monotonic() - last_line >= _LOG_S:
            last_line = time.monotonic()
            _report_lines(api, tasks, listener)
        time.sleep(poll_s)


def _wait_for_run(api: AirflowApi, dag_id: str, night: date, since: datetime, poll_s: float) -> DagRun:
    deadline = time.monotonic() + _HOP_S
    while time.monotonic() < deadline:
        for run in api.runs(dag_id, partition_key_pattern=night.isoformat()):
            if run.night == night.isoformat() and run.queued_at >= since:
                return run
        time.sleep(poll_s)
    msg = (
        f"no run of {dag_id} started for night {night} within {_HOP_S} s; "
        f"check {api.url}/dags/{dag_id}: the Dag is paused, has an import error, or the scheduler is not healthy"
    )
    raise FaultError(msg)


def _report_lines(api: AirflowApi, tasks: Sequence[TaskRun], listener: Listener) -> None:
    for task in tasks:
        if task.state == "running" and (line := api.last_log_line(task)):
            listener.on_line(task, line)
