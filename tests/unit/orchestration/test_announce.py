"""Announce: the outcome of a stage is final when its work has ended."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException
from nightloom.core.nights import compute_cut, utc_now
from nightloom.orchestration import announce
from nightloom.orchestration.announce import AnnounceOperator, finalise_outcome
from nightloom.registry.database import Database
from nightloom.registry.nights import begin_stage, end_stage, read_outcome, read_outcomes, record_night

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


class Run:
    """The context of the last task of a stage whose other tasks have failed."""

    def __init__(self, night: str, asset: Asset) -> None:
        self.event = SimpleNamespace(extra=None, nights=[], add_partitions=lambda one: self.event.nights.append(one))
        started = utc_now() - timedelta(minutes=1)
        run = SimpleNamespace(run_id="r", start_date=started, logical_date=None, run_after=started, partition_key=None)
        task = SimpleNamespace(dag_id="d", get_task_states=lambda **_: {"r": {"open_night": "failed"}})
        self.context: Any = {
            "ti": task,
            "dag_run": run,
            "params": {"night": night},
            "outlet_events": {asset: self.event},
        }


@pytest.fixture
def asset(registry: Database, monkeypatch: pytest.MonkeyPatch) -> Asset:
    monkeypatch.setattr(announce, "open_database", lambda: registry)
    monkeypatch.setattr(announce, "finish_stage", lambda _store, *outcome: end_stage(*outcome))
    monkeypatch.setattr(announce, "open_store", lambda: None)
    return Asset("triage/snapshot")


def announce_night(run: Run, asset: Asset, stage: str) -> None:
    operator = AnnounceOperator(task_id="announce", outlets=[asset], recipe="triage", stage=stage, timezone="UTC")  # type: ignore[arg-type]
    operator.execute(run.context)


@pytest.mark.parametrize("stage", ["prepare", "finetune", "predict", "report"])
@pytest.mark.parametrize("night", ["2027-06-01", "2026-11-22"], ids=["has not come", "was never opened"])
def test_unopened_night_is_not_announced(registry: Database, asset: Asset, night: str, stage: str) -> None:
    record_night(registry, compute_cut("triage", NIGHT, "UTC"))
    run = Run(night, asset)
    with pytest.raises(AirflowSkipException, match=f"night {night} of triage was never opened"):
        announce_night(run, asset, stage)
    assert run.event.nights == []
    assert read_outcomes(registry, "triage", date.max, 10) == []


def test_failed_night_is_announced(registry: Database, asset: Asset) -> None:
    record_night(registry, compute_cut("triage", NIGHT, "UTC"))
    run = Run("2026-11-23", asset)
    announce_night(run, asset, "prepare")
    assert (run.event.nights, run.event.extra["status"]) == (["2026-11-23"], "failed")
