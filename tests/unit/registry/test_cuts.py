"""Cuts: whatever was skipped, missed, refused or failed, every row is in exactly one committed cut."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nightloom.core.nights import NightCut, compute_cut
from nightloom.core.stages import Stage
from nightloom.registry.cuts import open_cut, read_cut
from nightloom.registry.database import Database
from nightloom.registry.nights import Status, end_stage, find_committed_night

FIRST = date(2026, 3, 1)
WEEKDAYS = "0 1 * * 1-5"


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def run(
    database: Database,
    night: date,
    status: Status = "done",
    *,
    stage: Stage = "predict",
    zone: str = "UTC",
    schedule: str = "0 1 * * *",
) -> NightCut:
    """Open the cut of a stage of a night, end the stage, and return the cut."""
    cut = open_cut(database, stage, compute_cut("triage", night, zone, schedule))
    end_stage(database, "triage", night, stage, status, "…")
    return cut


def days_of(cut: NightCut) -> tuple[date, date]:
    return cut.cut_from.date(), cut.cut_to.date()


def test_first_cut_is_the_day_before(registry: Database) -> None:
    assert days_of(run(registry, day(5))) == (day(4), day(5))


@pytest.mark.parametrize(
    ("schedule", "night", "begin"),
    [
        (WEEKDAYS, date(2026, 11, 23), date(2026, 11, 20)),
        (WEEKDAYS, date(2026, 11, 24), date(2026, 11, 23)),
        ("0 3 * * 0", date(2026, 11, 22), date(2026, 11, 15)),
        ("30 23 1 * *", date(2026, 12, 1), date(2026, 11, 1)),
        ("*/30 * * * *", date(2026, 12, 1), date(2026, 11, 30)),
        ("0 1 30 2 *", date(2026, 12, 1), date(2026, 11, 30)),
    ],
    ids=["Monday", "Tuesday", "weekly", "monthly", "hourly", "never"],
)
def test_first_cut_begins_with_the_scheduled_night_before(schedule: str, night: date, begin: date) -> None:
    assert days_of(compute_cut("triage", night, "UTC", schedule)) == (begin, night)


@pytest.mark.parametrize("status", ["refused", "failed", "nothing_new", "running"])
def test_next_night_takes_what_was_left(registry: Database, status: Status) -> None:
    run(registry, day(5))
    run(registry, day(6), status)
    run(registry, day(7), status)
    assert days_of(run(registry, day(8))) == (day(5), day(8))


def test_schedule_that_skips_days_loses_none(registry: Database) -> None:
    friday, monday, tuesday = date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 24)
    cuts = [run(registry, night, schedule=WEEKDAYS) for night in (friday, monday, tuesday)]
    assert [days_of(cut) for cut in cuts[1:]] == [(friday, monday), (monday, tuesday)]


def test_failed_first_nights_are_made_up_for(registry: Database) -> None:
    run(registry, day(5), "failed")
    run(registry, day(6), "failed")
    assert days_of(run(registry, day(9))) == (day(4), day(9))


def test_night_within_a_gap_takes_its_part(registry: Database) -> None:
    run(registry, day(5))
    assert days_of(run(registry, day(8))) == (day(5), day(8))
    assert days_of(run(registry, day(10))) == (day(8), day(10))


def test_night_read_by_a_later_one_is_empty(registry: Database) -> None:
    run(registry, day(5))
    run(registry, day(6), "failed")
    run(registry, day(9))
    again = run(registry, day(6))
    assert again.is_empty
    assert days_of(run(registry, day(10))) == (day(9), day(10))


def test_failed_rerun_keeps_a_committed_cut(registry: Database) -> None:
    first = [run(registry, day(number)) for number in (5, 6)]
    assert run(registry, day(6), "failed") == first[1]
    assert days_of(run(registry, day(7))) == (day(6), day(7))
    assert run(registry, day(5)) == first[0]


def test_stages_commit_their_own_cuts(registry: Database) -> None:
    run(registry, day(5), stage="prepare")
    run(registry, day(5))
    run(registry, day(6), stage="prepare")
    run(registry, day(6), "failed")
    assert days_of(run(registry, day(7), stage="prepare")) == (day(6), day(7))
    assert days_of(run(registry, day(7))) == (day(5), day(7))
    assert find_committed_night(registry, "triage") == day(7)


def test_recipes_have_their_own_cuts(registry: Database) -> None:
    run(registry, day(5))
    other = open_cut(registry, "predict", compute_cut("sales", day(8), "UTC"))
    assert days_of(other) == (day(7), day(8))


@pytest.mark.parametrize("moved", ["Asia/Tokyo", "America/New_York"])
def test_moved_time_zone_leaves_no_gap(registry: Database, moved: str) -> None:
    before = run(registry, day(5))
    after = run(registry, day(6), zone=moved)
    assert after.cut_from == before.cut_to
    assert after.cut_to == compute_cut("triage", day(6), moved).cut_to


def test_clock_change_is_one_day(registry: Database) -> None:
    sunday = run(registry, date(2026, 3, 30), zone="Europe/Berlin")
    assert (sunday.days, sunday.cut_to - sunday.cut_from) == (1, timedelta(hours=23))


_STATUSES: Sequence[Status] = ("done", "done", "refused", "failed", "nothing_new")
_runs = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from(_STATUSES), st.sampled_from(["UTC", "Asia/Tokyo", "America/Havana"])),
    min_size=1,
    max_size=14,
)


@settings(max_examples=80, deadline=None)
@given(runs=_runs)
def test_every_row_is_in_one_committed_cut(tmp_path_factory: pytest.TempPathFactory, runs: list) -> None:
    database = _new_registry(tmp_path_factory.mktemp("cuts"))
    for number, status, zone in runs:
        run(database, day(number), status, zone=zone)
    committed = sorted(
        (cut.cut_from, cut.cut_to)
        for number in {number for number, status, _ in runs if status == "done"}
        if (cut := read_cut(database, "triage", "predict", day(number))) and not cut.is_empty
    )
    last = run(database, day(30))
    cuts = [*committed, (last.cut_from, last.cut_to)]
    for (_, end), (begin, _) in pairwise(cuts):
        assert end <= begin
    begun = _find_first_committed(database, runs)
    covered = [cut for cut in cuts if cut[0] >= begun]
    assert [end for _, end in covered[:-1]] == [begin for begin, _ in covered[1:]]
    database.close()


def _find_first_committed(database: Database, runs: list) -> datetime:
    """Return the begin of the cut that was committed first; from there on no moment may be missing."""
    number = next((number for number, status, _ in runs if status == "done"), 30)
    cut = read_cut(database, "triage", "predict", day(number))
    assert cut is not None
    return cut.cut_from


def _new_registry(folder: Path) -> Database:
    database = Database(f"sqlite:///{folder / 'registry.db'}")
    database.migrate()
    return database


def test_unopened_cut_is_none(registry: Database) -> None:
    assert read_cut(registry, "triage", "prepare", day(1)) is None
    opened = open_cut(registry, "prepare", compute_cut("triage", day(1), "UTC"))
    assert read_cut(registry, "triage", "prepare", day(1)) == opened
    assert opened.cut_to == datetime(2026, 3, 2, tzinfo=UTC)
