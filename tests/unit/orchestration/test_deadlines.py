"""Deadlines: which nights are late."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.timetables.trigger import CronPartitionTimetable
from nightloom.core.nights import compute_cut
from nightloom.orchestration.deadlines import due_night, last_due_night, list_late_nights
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database
from nightloom.registry.nights import OpenedBy, begin_stage, end_stage, record_night
from nightloom.registry.tables import OutcomeRow

NIGHT = date(2026, 11, 23)


def make_recipe(**changes: object) -> Recipe:
    sql = {"kind": "sql", "connection": "tickets", "query": "SELECT 1"}
    columns = {"text": "body"}
    return Recipe.model_validate(
        {
            "name": "triage",
            "owner": "support",
            "task": {"columns": columns, "answer": {"team": {"column": "team"}}, "primary": "team", "prompt": "t/1"},
            "prepare": {"source": sql},
            "evaluate": {"sets": [{"name": "gold", "source": sql, "columns": columns}]},
            **changes,
        }
    )


def begin_at(database: Database, moment: datetime, night: date = NIGHT, opened_by: OpenedBy = "schedule") -> None:
    record_night(database, compute_cut("triage", night, "UTC"), opened_by)
    begin_stage(database, "triage", night, "prepare")
    with database.transaction() as session:
        session.get_one(OutcomeRow, ("triage", night, "prepare")).started_at = moment.replace(tzinfo=None)


def run_night(database: Database, night: date, opened_by: OpenedBy = "schedule") -> None:
    begin_at(database, datetime.combine(night, time(1), UTC), night, opened_by)
    end_stage(database, "triage", night, "report", "done", "…")


def late(database: Database, now: datetime, **changes: object) -> list[tuple[str, date]]:
    return list(list_late_nights(database, [make_recipe(**changes)], now))


AT_ONE, AT_SEVEN, AT_NINE = (datetime(2026, 11, 23, hour, tzinfo=UTC) for hour in (1, 7, 9))


def test_night_without_report_is_late(registry: Database) -> None:
    begin_at(registry, AT_ONE)
    assert late(registry, AT_SEVEN) == [("triage", NIGHT)]


def test_recipe_without_data_is_not_late(registry: Database) -> None:
    run_night(registry, date(2026, 11, 21))
    planted = {"source": {"kind": "delta", "path": "{data}/planted"}}
    columns = {name: name for name in ("key", "kind", "outcome", "rule")}
    prepare = {"source": {"kind": "files", "path": "/rows.csv"}, "planted_rows": {**planted, **columns}}
    assert late(registry, AT_NINE, prepare=prepare) == []


def test_nothing_is_late_before_deadline(registry: Database) -> None:
    begin_at(registry, AT_ONE)
    assert late(registry, datetime(2026, 11, 23, 6, 59, tzinfo=UTC)) == []


@pytest.mark.parametrize("status", ["done", "failed"])
def test_finished_report_is_not_late(registry: Database, status: str) -> None:
    begin_at(registry, AT_ONE)
    end_stage(registry, "triage", NIGHT, "report", status, "…")  # type: ignore[arg-type]
    assert late(registry, AT_SEVEN) == []


def test_night_started_after_deadline_is_not_late(registry: Database) -> None:
    begin_at(registry, datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert late(registry, AT_NINE) == []


def test_missing_night_is_late(registry: Database) -> None:
    run_night(registry, date(2026, 11, 22))
    assert late(registry, AT_NINE) == [("triage", NIGHT)]


def test_nights_without_scheduler_are_late(registry: Database) -> None:
    run_night(registry, date(2026, 11, 19))
    begin_at(registry, AT_ONE)
    assert late(registry, AT_SEVEN) == [("triage", date(2026, 11, day)) for day in (20, 21, 22, 23)]


def test_recipe_that_never_ran_is_not_late(registry: Database) -> None:
    assert late(registry, AT_NINE) == []


def test_unscheduled_date_is_not_late(registry: Database) -> None:
    run_night(registry, date(2026, 11, 22))
    assert late(registry, AT_NINE, schedule="0 1 * * 2") == []  # 23 November 2026 is a Monday


def test_deadline_is_local() -> None:
    recipe = make_recipe(timezone="Asia/Tokyo")
    assert due_night(recipe, NIGHT).deadline == datetime(2026, 11, 22, 22, tzinfo=UTC)
    assert last_due_night(recipe, datetime(2026, 11, 22, 22, tzinfo=UTC)).night == NIGHT


def test_evening_start_is_due_next_morning() -> None:
    recipe = make_recipe(schedule="0 22 * * *", deadline=time(7))
    assert due_night(recipe, NIGHT).deadline == datetime(2026, 11, 24, 7, tzinfo=UTC)


@pytest.mark.parametrize("nights", [[15], [18, 19, 20], [22]], ids=["one", "several", "yesterday"])
def test_nights_by_hand_make_no_night_due(registry: Database, nights: list[int]) -> None:
    for day in nights:
        run_night(registry, date(2026, 11, day), "hand")
    assert late(registry, AT_NINE) == []


def test_nights_before_first_schedule_are_not_due(registry: Database) -> None:
    run_night(registry, date(2026, 11, 17), "hand")
    run_night(registry, date(2026, 11, 21), "schedule")
    assert late(registry, AT_NINE) == [("triage", date(2026, 11, 22)), ("triage", NIGHT)]


def test_scheduled_night_that_is_run_again_stays_scheduled(registry: Database) -> None:
    run_night(registry, date(2026, 11, 21), "schedule")
    record_night(registry, compute_cut("triage", date(2026, 11, 21), "UTC"), "hand")
    assert late(registry, AT_NINE) == [("triage", date(2026, 11, 22)), ("triage", NIGHT)]


@pytest.mark.parametrize(
    ("zone", "schedule", "night", "start"),
    [
        ("Europe/Berlin", "30 2 * * *", date(2026, 3, 29), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("America/New_York", "15 2 * * *", date(2026, 3, 8), datetime(2026, 3, 8, 7, 15, tzinfo=UTC)),
        ("Australia/Lord_Howe", "10 2 * * *", date(2026, 10, 4), datetime(2026, 10, 3, 15, 40, tzinfo=UTC)),
        ("Europe/Berlin", "30 2 * * *", date(2026, 10, 25), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("Asia/Tokyo", "30 2 * * *", date(2026, 3, 29), datetime(2026, 3, 28, 17, 30, tzinfo=UTC)),
    ],
    ids=["spring", "spring in New York", "half an hour", "autumn", "no change"],
)
def test_start_is_that_of_airflow(zone: str, schedule: str, night: date, start: datetime) -> None:
    timetable = CronPartitionTimetable(schedule, timezone=zone)
    before = pendulum.instance(datetime.combine(night, time.min, ZoneInfo(zone)) - timedelta(seconds=1))
    assert due_night(make_recipe(timezone=zone, schedule=schedule), night).start == start
    assert timetable._get_next(before) == start


@pytest.mark.parametrize("deadline", [time(2, 45), time(3)])
def test_deadline_in_skipped_hour_follows_start(deadline: time) -> None:
    recipe = make_recipe(timezone="Europe/Berlin", schedule="30 2 * * *", deadline=deadline)
    due = due_night(recipe, date(2026, 3, 29))
    assert due.start is not None
    assert due.start < due.deadline
