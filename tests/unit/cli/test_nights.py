"""`nightloom run` and the single stages: output and exit codes."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nightloom.artifacts.data import Curated, CuratedProvenance
from nightloom.core.errors import InputError, NightloomError, SourceError
from nightloom.core.nights import compute_cut
from nightloom.core.stages import Stage
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.members import add_member
from nightloom.registry.nights import StageOutcome, Status, end_stage, record_night

from .conftest import NIGHT, Command, PastNight

OnStep = Callable[[str, str], None]
OnFailure = Callable[[Exception], None]


def outcome(stage: Stage, status: Status, message: str) -> StageOutcome:
    at = datetime(2026, 11, 23, 1, tzinfo=UTC)
    return StageOutcome("triage", NIGHT, stage, status, message, None, at, at)


@pytest.fixture
def failures() -> list[Exception]:
    """Errors of the next night's stages."""
    return []


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch, named: None, failures: list[Exception]) -> list[StageOutcome]:
    """Outcomes of the next night's stages."""
    found: list[StageOutcome] = []

    def run_night(recipe: str, night: str | None, on_step: OnStep, on_failure: OnFailure) -> list[StageOutcome]:
        assert (recipe, night) == ("triage", "2026-11-23")
        on_step("prepare", "extract_records")
        logging.getLogger("nightloom.sources").info("3 rows [of 4]")
        for failure in failures:
            on_failure(failure)
        return found

    monkeypatch.setattr("nightloom.nightly.chain.run_night", run_night)
    return found


def test_night_without_promotion_succeeds(command: Command, outcomes: list[StageOutcome]) -> None:
    outcomes += [outcome("prepare", "done", "3 rows"), outcome("finetune", "refused", "not better than the champion")]
    code, out, err = command("run", "triage", "--night", "2026-11-23")
    assert code == 0
    assert out.splitlines()[2:] == ["prepare   done: 3 rows", "finetune  refused: not better than the champion"]
    assert "prepare   extract_records" in err
    assert "3 rows [of 4]" in err


@pytest.mark.parametrize(("kind", "exit_code"), [(SourceError, 3), (InputError, 2)], ids=["fault", "input"])
def test_failed_stage_sets_the_exit_code(
    command: Command,
    outcomes: list[StageOutcome],
    failures: list[Exception],
    kind: type[NightloomError],
    exit_code: int,
) -> None:
    outcomes += [outcome("prepare", "failed", "no column 'team'"), outcome("report", "done", "written")]
    failures.append(kind("no column 'team'"))
    code, out, err = command("run", "triage", "--night", "2026-11-23")
    assert code == exit_code
    assert "prepare  failed: no column 'team'" in out
    assert err.endswith("error: no column 'team'\n")


def test_failed_night_prints_one_document(
    command: Command, outcomes: list[StageOutcome], failures: list[Exception]
) -> None:
    outcomes.append(outcome("prepare", "failed", "the source is down"))
    failures.append(SourceError("the source is down"))
    code, out, _ = command("run", "triage", "--night", "2026-11-23", "--json")
    document = json.loads(out)
    assert code == 3
    assert [stage["status"] for stage in document["stages"]] == ["failed"]


def test_unexpected_error_of_stage_shows_traceback(
    command: Command, outcomes: list[StageOutcome], failures: list[Exception]
) -> None:
    outcomes.append(outcome("prepare", "failed", "KeyError: 'x'"))
    failures.append(KeyError("x"))
    code, _, err = command("run", "triage", "--night", "2026-11-23")
    assert code == 3
    assert err.endswith("error: unexpected KeyError in Nightloom; report it with the traceback above\n")


@pytest.mark.usefixtures("named")
def test_single_stage_needs_a_night(command: Command) -> None:
    code, _, err = command("predict", "triage")
    assert code == 2
    assert "recipe 'triage' has no night yet" in err


def test_single_stage_shows_its_result(command: Command, night: PastNight, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_stage(recipe: str, of_night: str, stage: Stage, on_step: OnStep) -> StageOutcome:
        assert (recipe, of_night) == ("triage", "2026-11-23")
        return outcome(stage, "nothing_new", "no row waits for an answer")

    monkeypatch.setattr("nightloom.nightly.chain.run_stage", run_stage)
    code, out, _ = command("predict", "triage")
    assert (code, out.splitlines()[2]) == (0, "predict  nothing_new: no row waits for an answer")


def test_data_docs_are_fetched(command: Command, store: ObjectStore, registry: Database) -> None:
    content = Curated.Content(
        records="r",
        eval_sets=(),
        parent=None,
        releases=None,
        operations={},
        scanners={},
        tokens=None,
        examples=(),
        ledger=(),
        quarantine=(),
        contamination=None,
        counts=(),
        expectations=(),
        refusal="too few rows",
    )
    record_night(registry, compute_cut("triage", NIGHT, "UTC"))
    end_stage(registry, "triage", NIGHT, "prepare", "refused", "too few rows")
    assert command("night", "docs", "triage")[2].startswith(
        "error: night 2026-11-23 of triage has no Data Docs: nothing was validated"
    )
    curated = store.publish(
        Curated(content=content, provenance=CuratedProvenance(docs=store.put_blob(b"<h1>Docs</h1>")))
    )
    add_member(registry, "triage", NIGHT, "curated", curated.id)
    code, out, _ = command("night", "docs", "triage", "--json")
    assert (code, Path(json.loads(out)["docs"]).read_bytes()) == (0, b"<h1>Docs</h1>")


@pytest.mark.usefixtures("named")
def test_blank_night_is_not_tonight(command: Command) -> None:
    code, _, err = command("run", "triage", "--night", "")
    assert code == 2
    assert "'' is not a night; write a date such as 2026-11-23" in err
