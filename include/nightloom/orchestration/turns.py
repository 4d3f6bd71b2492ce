"""Turns: nights of a recipe begin in the order of their dates, also in a backfill, which starts ten of them at once.

The night lock lets the oldest waiting night go first, but a night waits only once its task has run. So a night that the
schedule or a backfill starts first looks for older runs whose task has not.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nightloom.core.nights import utc_now

if TYPE_CHECKING:
    from airflow.sdk import Context

OPENS = "open_night"
"""The step that begins a night."""

_LONGEST_WAIT = timedelta(minutes=15)
"""After this time a night begins anyway: the task of an older run may never start. The lock has seen all others."""

_NIGHT = re.compile(r"^(?:scheduled|backfill)__.*__(\d{4}-\d\d-\d\d)__\w+$")
"""Run id that a timetable with partitions makes: type, start, partition and a random text."""

_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")


def find_night_to_wait_for(context: "Context", night: str) -> str | None:
    """Return the oldest night that is to begin before this one, or None if this one may begin."""
    ti = context["ti"]
    if not _NIGHT.match(context["dag_run"].run_id):  # begun by hand, in whatever order a person chose
        return None
    since = ti.get_first_reschedule_date(context)
    if since is not None and utc_now() - since > _LONGEST_WAIT:
        return None
    unopened = list_unopened(ti.get_task_states(dag_id=ti.dag_id), before=night)
    # A run that is queued waits for its turn in its backfill, which may be paused or run backwards.
    return next((older for older, run in unopened if ti.get_dagrun_state(ti.dag_id, run) == "running"), None)


def list_unopened(states: Mapping[str, Mapping[str, Any]], *, before: str) -> list[tuple[str, str]]:
    """Return night and run id of the runs of older nights that were not opened yet, oldest first.

    Args:
        states: State of each task by run id and task id.
        before: A night.
    """
    nights = ((found[1], run) for run, tasks in states.items() if (found := _NIGHT.match(run)) and _is_unopened(tasks))
    return sorted(one for one in nights if one[0] < before)


def _is_unopened(tasks: Mapping[str, Any]) -> bool:
    return OPENS in tasks and tasks[OPENS] not in _ENDED
