"""A night that has ended: the results of its stages in store and registry, written by hand."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pytest
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.data import (
    Preparation,
    RuleCount,
    Snapshot,
    SnapshotContent,
    SnapshotFile,
    SnapshotProvenance,
)
from nightloom.artifacts.frames import EXAMPLES, LABELS, LEDGER, QUARANTINE, put_frame
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.models import (
    Adapter,
    AdapterContent,
    AdapterProvenance,
    ModelFile,
    ModelRef,
    TaskSpec,
)
from nightloom.artifacts.predictions import PredictionPlan, Predictions, PredictionsContent
from nightloom.artifacts.results import Report, ReportContent, ReportProvenance
from nightloom.artifacts.training import Trial
from nightloom.base_models.dummy import DUMMY_FILE
from nightloom.cli.main import main
from nightloom.core.manifests import Manifest
from nightloom.core.nights import compute_cut
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.prediction.lines import Outcome, ResultLine, dump_lines
from nightloom.registry.database import Database, open_database
from nightloom.registry.members import add_member
from nightloom.registry.nights import end_stage, record_night
from nightloom.registry.refs import move_ref
from nightloom.registry.store import open_store

from tests.factories.manifests import make_blueprint, make_preparation, make_trial, make_verdict
from tests.factories.prediction_plans import make_plan_content
from tests.factories.stores import indexed_store  # noqa: F401

NIGHT = date(2026, 11, 23)

M = TypeVar("M", bound=Manifest)
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _installation(
    tmp_path: Path, store: ObjectStore, registry: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """An installation of its own: folders under tmp_path, the registry there, the store in memory."""
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("NIGHTLOOM_RECIPES_DIR", str(tmp_path / "recipes"))
    monkeypatch.setattr("nightloom.registry.store.connect_store", lambda _: store)
    (tmp_path / "recipes").mkdir()
    for cached in (get_settings, open_database, open_store):
        cached.cache_clear()
    yield
    open_database().close()
    for cached in (get_settings, open_database, open_store):
        cached.cache_clear()


@pytest.fixture
def named(tmp_path: Path) -> None:
    """A file of the recipe `triage`; only its name counts."""
    (tmp_path / "recipes" / "triage.yaml").write_text("name: triage", encoding="utf-8")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line and return exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def ask(command: Command) -> Callable[..., Any]:
    """Run a command with --json and return its document, which must be all of standard output."""

    def run(*arguments: str) -> Any:
        _, out, _ = command(*arguments, "--json")
        return json.loads(out)

    return run


@pytest.fixture
def night(store: ObjectStore, registry: Database) -> "PastNight":
    """Night 2026-11-23 of `triage`: three rows came, one was repaired, one refused; the candidate was promoted."""
    return PastNight(store, registry)


class PastNight:
    """The manifests of one night."""

    def __init__(self, store: ObjectStore, registry: Database) -> None:
        self._store, self._registry = store, registry
        record_night(registry, compute_cut("triage", NIGHT, "UTC"))
        self.snapshot = self.keep(_snapshot(store))
        self.preparation = self.keep(_preparation(store, self.snapshot.id))
        self.blueprint = self.keep(make_blueprint(snapshot=self.snapshot.id))
        self.adapter = self.keep(_adapter(store, self.blueprint))
        self.trial = self.keep(_trial(store, self.blueprint, self.adapter.id))
        self.verdict = self.keep(make_verdict(blueprint=self.blueprint.id, candidate=self.adapter.id))
        self.predictions = self.keep(_predictions(store))
        self.report = self.keep(_report(store))
        ended = {
            "prepare": ("2 rows kept of 3", self.preparation),
            "finetune": ("better than the baseline", self.verdict),
            "predict": ("1 row: 1 succeeded", self.predictions),
            "report": ("report of night 2026-11-23", self.report),
        }
        for stage, (message, manifest) in ended.items():
            end_stage(registry, "triage", NIGHT, stage, "done", message, manifest.id)  # type: ignore[arg-type]
        self.promote(self.adapter.id, None, self.verdict.id)

    def keep(self, manifest: M) -> M:
        add_member(self._registry, "triage", NIGHT, manifest.kind, manifest.id)
        return self._store.publish(manifest)

    def promote(self, adapter: str, expected: str | None, verdict: str) -> None:
        move_ref(
            self._registry,
            recipe="triage",
            name="champion",
            expected=expected,
            value=adapter,
            night=NIGHT,
            who="scheduler",
            why="better than the baseline",
            cites=verdict,
        )


def _snapshot(store: ObjectStore) -> Snapshot:
    rows = [
        ("r1", "c1", "train", "my card is broken", '{"team":"cards"}', None, None),
        ("r2", "c2", "test", "hello", '{"team":"x"}', None, None),
    ]
    frame = pl.DataFrame(rows, schema=EXAMPLES, orient="row")
    blob = put_frame(store, frame, EXAMPLES)
    return Snapshot(
        content=SnapshotContent(rows_root=rows_root(frame), columns=tuple(EXAMPLES), splits={"test": 1, "train": 1}),
        provenance=SnapshotProvenance(
            files=(SnapshotFile(sha256=blob, rows=2, first_id="r1", last_id="r2"),),
            recipe="triage",
            night="2026-11-23",
            parent=None,
        ),
    )


def _preparation(store: ObjectStore, snapshot: str) -> Preparation:
    ledger = [
        ("r1", "v1", "repaired", "pii", "1", "0", None, "c1", "train", "redact_pii", "d1", "d2"),
        ("r2", "v1", "kept", None, None, None, None, "c2", "test", "", "d3", "d3"),
        ("r3", "v1", "quarantined", "too_long", "2001", "2000", None, None, None, "", "d4", None),
    ]
    answer = '{"team":"cards"}'
    refused = [("r3", "v1", "a long text\x1b[2J", answer, None, None, False, None, "too_long", "2001", "2000")]
    return make_preparation(
        snapshot=snapshot,
        ledger=(put_frame(store, pl.DataFrame(ledger, schema=LEDGER, orient="row"), LEDGER),),
        quarantine=(put_frame(store, pl.DataFrame(refused, schema=QUARANTINE, orient="row"), QUARANTINE),),
        rows_in=3,
        counts=(
            RuleCount(outcome="kept", rule=None, rows=1),
            RuleCount(outcome="quarantined", rule="too_long", rows=1),
            RuleCount(outcome="repaired", rule="pii", rows=1),
        ),
    )


def _adapter(store: ObjectStore, blueprint: Blueprint) -> Adapter:
    dummy = ModelFile(path=DUMMY_FILE, sha256=store.put_blob(b"{}"), size_bytes=2)
    return Adapter(
        content=AdapterContent(base="b" * 64, method="lora", files=(dummy,)),
        provenance=AdapterProvenance(blueprint=blueprint.id, trial=0),
    )


def _trial(store: ObjectStore, blueprint: Blueprint, adapter: str) -> Trial:
    tokens = [("T1", 0, "the invoice", False), ("T1", 1, "\n", False), ("T1", 2, "billing", True)]
    sample = put_frame(store, pl.DataFrame(tokens, LABELS, orient="row"), LABELS)
    return make_trial(blueprint, adapter, sample=sample)


def _predictions(store: ObjectStore) -> Predictions:
    line = ResultLine(
        id="batch_req_1",
        custom_id="r9",
        response=None,
        error=None,
        nightloom=Outcome(
            status="succeeded",
            flags=("pii",),
            blocked=False,
            delivered=True,
            answer={"team": "cards"},
            night="2026-11-23",
            model=ModelRef(base="b" * 64),
            prompt="c" * 64,
        ),
    )
    blob = store.put_blob(dump_lines([line]))
    task = TaskSpec(prompt="c" * 64, output="json", answer={"team": None}, field_order=("team",))
    plan = make_plan_content(task, max_new_tokens=64, rows=1)
    made = store.publish(PredictionPlan(content=plan))
    return Predictions(content=PredictionsContent(plan=made.id, files=(blob,), counts={"succeeded": 1}, rows=1))


def _report(store: ObjectStore) -> Report:
    return Report(
        content=ReportContent(recipe="triage", night="2026-11-23", facts=store.put_blob(b"{}")),
        provenance=ReportProvenance(html=store.put_blob(b"<!doctype html><title>Night</title>")),
    )
