"""Deadlines: find nights without a report at their deadline, and write one."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
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
from nightloom.registry.nights import find_first_scheduled_night, read_outcome

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
    from nightloom.nightly.prepare import record_missed_night
    from nightloom.nightly.report import write_report

    settings = load_recipe(recipe)
    try:
        with resolving_with(find_airflow_connection):
            record_missed_night(recipe, night)
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
    # By the clock on the wall, as Airflow's timetable does. With a zone, croniter moves a skipped time differently.
    before = datetime.combine(night, time.min) - timedelta(seconds=1)
    starts_at: datetime = croniter(recipe.schedule, before).get_next(datetime)
    start = _at(starts_at, zone) if starts_at.date() == night else None
    ends_at = datetime.combine(night, recipe.deadline)
    if start and _at(ends_at, zone) <= start:
        ends_at += _DAY
    return DueNight(night, start, _at(ends_at, zone))


def _at(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a time on the wall; of a skipped or repeated one the later, as Airflow does."""
    return max(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def _has_no_report(database: Database, recipe: str, night: date) -> bool:
    # A failed report stage has alerted the team already.
    outcome = read_outcome(database, recipe, night, "report")
    return outcome is None or outcome.status == "running"


def _was_due(database: Database, recipe: str, due: DueNight) -> bool:
    """Whether a night started before its deadline, or should have.

    Nights before the first one that the schedule began are not due, nor is one that began by hand after its deadline.
    """
    first = find_first_scheduled_night(database, recipe)
    if first is None or due.night < first:
        return False
    outcome = read_outcome(database, recipe, due.night, "prepare")
    if outcome is not None:
        return outcome.started_at < due.deadline
    return due.start is not None
