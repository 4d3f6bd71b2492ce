"""Announce: the outcome of a stage is final when its work has ended."""

from datetime import UTC, date, datetime, timedelta

from nightloom.core.nights import utc_now
from nightloom.orchestration.announce import finalise_outcome
from nightloom.registry.database import Database
from nightloom.registry.nights import begin_stage, end_stage, read_outcome

NIGHT = date(2026, 11, 23)
LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)


def test_reported_outcome_is_kept(registry: Database) -> None:
    begin_stage(registry, "triage", NIGHT, "prepare")
    end_stage(registry, "triage", NIGHT, "prepare", "done", "30 rows", "ab" * 32)
    outcome = finalise_outcome(registry, "triage", NIGHT, "prepare", failed=[], started_at=LONG_AGO)
    assert (outcome.status, outcome.message, outcome.manifest) == ("done", "30 rows", "ab" * 32)


def test_killed_stage_has_failed(registry: Database) -> None:
    begin_stage(registry, "triage", NIGHT, "finetune")
    finalise_outcome(registry, "triage", NIGHT, "finetune", failed=["train_trial"], started_at=LONG_AGO)
    outcome = read_outcome(registry, "triage", NIGHT, "finetune")
    assert outcome is not None
    assert (outcome.status, outcome.message) == (
        "failed",
        "task train_trial failed or was killed, and finetune reported no result; see the task's log",
    )


def test_missing_stage_has_failed(registry: Database) -> None:
    outcome = finalise_outcome(registry, "triage", NIGHT, "predict", failed=[], started_at=LONG_AGO)
    assert (outcome.status, outcome.message) == (
        "failed",
        "the run was stopped from outside, and predict reported no result; see the task's log",
    )


def test_older_outcome_does_not_hide_failure(registry: Database) -> None:
    end_stage(registry, "triage", NIGHT, "finetune", "done", "promoted", "cd" * 32)
    later = utc_now() + timedelta(minutes=1)
    outcome = finalise_outcome(registry, "triage", NIGHT, "finetune", failed=["compile_blueprint"], started_at=later)
    assert outcome.status == "failed"


def test_reported_failure_keeps_its_message(registry: Database) -> None:
    end_stage(registry, "triage", NIGHT, "prepare", "failed", "the source is down", None)
    outcome = finalise_outcome(registry, "triage", NIGHT, "prepare", failed=["extract_records"], started_at=LONG_AGO)
    assert outcome.message == "the source is down"
