"""What a stage came to is settled when its work is over."""

from datetime import UTC, date, datetime, timedelta

from nightloom.core.nights import utc_now
from nightloom.orchestration.announce import settle_outcome
from nightloom.registry.database import Database
from nightloom.registry.nights import begin_stage, end_stage, read_outcome

NIGHT = date(2026, 11, 23)
LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_stage_that_said_how_it_ended_is_believed(registry: Database) -> None:
    begin_stage(registry, "triage", NIGHT, "prepare")
    end_stage(registry, "triage", NIGHT, "prepare", "done", "30 rows", "ab" * 32)
    outcome = settle_outcome(registry, "triage", NIGHT, "prepare", failed=[], begun_at=LONG_AGO)
    assert (outcome.status, outcome.sentence, outcome.manifest) == ("done", "30 rows", "ab" * 32)


def test_a_stage_that_was_killed_has_failed(registry: Database) -> None:
    begin_stage(registry, "triage", NIGHT, "finetune")
    settle_outcome(registry, "triage", NIGHT, "finetune", failed=["train_trial"], begun_at=LONG_AGO)
    outcome = read_outcome(registry, "triage", NIGHT, "finetune")
    assert outcome is not None
    assert (outcome.status, outcome.sentence) == (
        "failed",
        "finetune ended without a word: train_trial failed or was killed; the task's log has the rest",
    )


def test_a_stage_that_never_began_has_failed(registry: Database) -> None:
    outcome = settle_outcome(registry, "triage", NIGHT, "predict", failed=[], begun_at=LONG_AGO)
    assert (outcome.status, outcome.sentence) == (
        "failed",
        "predict ended without a word: it was ended from outside; the task's log has the rest",
    )


def test_the_outcome_of_an_earlier_run_does_not_stand_for_a_failed_one(registry: Database) -> None:
    end_stage(registry, "triage", NIGHT, "finetune", "done", "promoted", "cd" * 32)
    later = utc_now() + timedelta(minutes=1)
    outcome = settle_outcome(registry, "triage", NIGHT, "finetune", failed=["compile_blueprint"], begun_at=later)
    assert outcome.status == "failed"


def test_a_failure_that_was_explained_keeps_its_sentence(registry: Database) -> None:
    end_stage(registry, "triage", NIGHT, "prepare", "failed", "the source is down", None)
    outcome = settle_outcome(registry, "triage", NIGHT, "prepare", failed=["extract_records"], begun_at=LONG_AGO)
    assert outcome.sentence == "the source is down"
