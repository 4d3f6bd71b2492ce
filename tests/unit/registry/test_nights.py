from datetime import UTC, date, datetime

import pytest
from nightloom.core.nights import NightCut, compute_cut
from nightloom.registry.nights import (
    begin_stage,
    end_stage,
    is_latest_night,
    read_night,
    read_outcome,
    read_outcomes,
    record_night,
)

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def test_unopened_night_is_none(registry):
    assert read_night(registry, "triage", MONDAY) is None


def test_cut_is_written_once(registry):
    first = record_night(registry, compute_cut("triage", MONDAY, "Europe/Berlin"))
    again = record_night(registry, compute_cut("triage", MONDAY, "America/New_York"))
    assert first == again == read_night(registry, "triage", MONDAY)
    assert first == NightCut(
        "triage", MONDAY, datetime(2026, 11, 21, 23, tzinfo=UTC), datetime(2026, 11, 22, 23, tzinfo=UTC)
    )


@pytest.mark.parametrize(("begun", "latest"), [(None, True), (MONDAY, True), (TUESDAY, False)], ids=str)
def test_latest_night_is_the_last_begun(registry, begun, latest):
    record_night(registry, compute_cut("banking", date(2026, 12, 1), "UTC"))
    if begun:
        record_night(registry, compute_cut("triage", begun, "UTC"))
    assert is_latest_night(registry, "triage", MONDAY) is latest


def test_stage_runs_until_it_ends(registry):
    begin_stage(registry, "triage", MONDAY, "prepare")
    running = read_outcome(registry, "triage", MONDAY, "prepare")
    assert (running.status, running.message) == (
        "running",
        "prepare is running, or was killed before it reported a result",
    )
    end_stage(registry, "triage", MONDAY, "prepare", "done", "10 rows", "m" * 64)
    done = read_outcome(registry, "triage", MONDAY, "prepare")
    assert (done.status, done.message, done.manifest) == ("done", "10 rows", "m" * 64)
    assert done.started_at == running.started_at <= done.ended_at


def test_restarted_stage_is_running(registry):
    end_stage(registry, "triage", MONDAY, "prepare", "failed", "the source is down")
    begin_stage(registry, "triage", MONDAY, "prepare")
    outcome = read_outcome(registry, "triage", MONDAY, "prepare")
    assert (outcome.status, outcome.manifest, outcome.ended_at) == ("running", None, None)


def test_outcomes_are_newest_first(registry):
    for night in (MONDAY, TUESDAY, date(2026, 11, 25)):
        end_stage(registry, "triage", night, "report", "done", "written")
        end_stage(registry, "triage", night, "prepare", "done", "rows")
    outcomes = read_outcomes(registry, "triage", until=TUESDAY, limit=5)
    assert [(o.night.day, o.stage) for o in outcomes] == [
        (24, "prepare"),
        (24, "report"),
        (23, "prepare"),
        (23, "report"),
    ]
