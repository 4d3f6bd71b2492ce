"""Deadlines: find nights without a report at their deadline, and write one."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import get_current_context, task
from croniter import croniter

from nightloom.core.connections import resolving_with
from nightloom.core.nights import utc_now
from nightloom.orchestration.alerts import send_alert
from nightloom.orchestration.connections import find_airflow_connection
from nightloom.recipes.check import load_recipe, load_recipes
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database, open_database
from nightloom.registry.nights import read_outcome, read_outcomes

logger = logging.getLogger(__name__)

_DAY = timedelta(days=1)
_LOOKED_BACK = 7


@dataclass(frozen=True, slots=True)
class DueNight:
    """The planned start of a night, or None if none is planned on this date, and the deadline of its report."""

    night: date
    start: datetime | None
    deadline: datetime


@task
def find_late_nights() -> list[dict[str, str]]:
    """Return recipe and night of each night without a report at its deadline."""
    recipes, _ = load_recipes()
    late = list(list_late_nights(open_database(), recipes.values(), utc_now()))
    logger.info("%d nights of %d recipes have no report at their deadline", len(late), len(recipes))
    return [{"recipe": recipe, "night": night.isoformat()} for recipe, night in late]


@task(map_index_template="{{ task.op_kwargs['recipe'] }} {{ task.op_kwargs['night'] }}")
def write_late_report(recipe: str, night: str) -> str:
    """Write a report of what is known of a late night, and alert its team."""
    from nightloom.nightly.report import write_report

    settings = load_recipe(recipe)
    try:
        with resolving_with(find_airflow_connection):
            return str(write_report(recipe, night))
    finally:
        what = f"no report at the deadline, {settings.deadline:%H:%M} {settings.timezone}"
        send_alert(settings, night, what, get_current_context())


def list_late_nights(database: Database, recipes: Iterable[Recipe], now: datetime) -> Iterator[tuple[str, date]]:
    """Return the nights that were due and have no report after their deadline.

    A recipe whose data is missing is not scheduled, so none of its nights is due.
    """
    for recipe in (one for one in recipes if not one.missing_data):
        last = last_due_night(recipe, now)
        # A scheduler that was down may have missed several nights.
        dues = (due_night(recipe, last.night - _DAY * days) for days in reversed(range(_LOOKED_BACK)))
        for due in dues:
            if _has_no_report(database, recipe.name, due.night) and _was_due(database, recipe.name, due):
                yield recipe.name, due.night


def last_due_night(recipe: Recipe, now: datetime) -> DueNight:
    """Return the latest night whose deadline has passed."""
    night = now.astimezone(ZoneInfo(recipe.timezone)).date()
    while (due := due_night(recipe, night)).deadline > now:
        night -= _DAY
    return due


def due_night(recipe: Recipe, night: date) -> DueNight:
    """Return start and deadline of a night. The deadline is the first one after the start."""
    zone = ZoneInfo(recipe.timezone)
    midnight = datetime.combine(night, time.min, zone)
    start: datetime = croniter(recipe.schedule, midnight - timedelta(seconds=1)).get_next(datetime)
    starts = start.date() == night
    deadline = datetime.combine(night, recipe.deadline, zone)
    if starts and deadline <= start:
        deadline += _DAY
    return DueNight(night, start if starts else None, deadline)


def _has_no_report(database: Database, recipe: str, night: date) -> bool:
    # A failed report stage has alerted the team already.
    outcome = read_outcome(database, recipe, night, "report")
    return outcome is None or outcome.status == "running"


def _was_due(database: Database, recipe: str, due: DueNight) -> bool:
    """Whether a night started before its deadline, or should have.

    A recipe that never ran is not late, nor is a night that was started by hand after its deadline.
    """
    outcome = read_outcome(database, recipe, due.night, "prepare")
    if outcome is not None:
        return outcome.started_at < due.deadline
    return due.start is not None and bool(read_outcomes(database, recipe, until=due.night - _DAY, limit=1))
