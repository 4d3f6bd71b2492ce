"""A store whose manifests the registry indexes, and two nights of a recipe in it."""

from dataclasses import dataclass, field
from datetime import date

import pytest
from nightloom.artifacts.blueprints import Blueprint, BlueprintProvenance, BlueprintSpec, TrialPlan
from nightloom.artifacts.data import (
    Curated,
    Preparation,
    PreparationContent,
    Records,
    RecordsContent,
    Snapshot,
    SnapshotContent,
    SnapshotProvenance,
)
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance, Import, ModelRef, TaskSpec
from nightloom.artifacts.predictions import PredictionPlan, Predictions, PredictionsContent
from nightloom.artifacts.results import Report, ReportContent, ReportProvenance, Verdict, VerdictContent
from nightloom.artifacts.training import Trial, TrialKey, TrialResult
from nightloom.core.manifests import Manifest
from nightloom.core.nights import utc_now
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.members import add_member
from nightloom.registry.refs import move_ref
from nightloom.registry.stages import finish_stage

from tests.factories.prediction_plans import make_plan_content
from tests.factories.stores import indexed_store  # noqa: F401

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
BASE, PROMPT = "ba5e" * 16, "9c0d" * 16
TASK = TaskSpec(prompt=PROMPT, output="json", answer={"team": None}, field_order=("team",))
PLAN = TrialPlan(trainer="dummy", method="lora", lora={}, settings={}, seed=20)


@dataclass
class World:
    """What nights of recipes leave: manifests by night and kind."""

    store: ObjectStore
    registry: Database
    made: dict[tuple[str, date], dict[str, str]] = field(default_factory=dict)

    def keep(self, recipe: str, night: date, manifest: Manifest) -> str:
        standing = self.store.publish(manifest)
        add_member(self.registry, recipe, night, standing.kind, standing.id)
        self.made.setdefault((recipe, night), {})[standing.kind] = standing.id
        return standing.id

    def run_night(self, recipe: str, night: date, text: str, before: dict[str, str] | None = None) -> dict[str, str]:
        """Leave what a night leaves whose rows are this text."""
        keep = lambda manifest: self.keep(recipe, night, manifest)  # noqa: E731
        before = before or {}
        records = keep(Records(content=RecordsContent(rows=1, new_rows=1, parts=(self.put(text),))))
        curated = keep(make_curated(records, before.get("preparation")))
        snapshot = keep(make_snapshot(recipe, night, text, before.get("snapshot")))
        preparation = keep(make_preparation(recipe, night, records, curated, snapshot))
        finish_stage(self.store, self.registry, recipe, night, "prepare", "done", "rows", preparation)
        blueprint = keep(make_blueprint(recipe, night, snapshot))
        adapter = keep(make_adapter(self.put(f"weights of {text}"), blueprint))
        keep(make_trial(snapshot, adapter))
        verdict = keep(make_verdict(recipe, night, blueprint, adapter, before.get("adapter")))
        move_ref(
            self.registry,
            recipe=recipe,
            name="champion",
            expected=before.get("adapter"),
            value=adapter,
            night=night,
            who="eva",
            why="better",
            cites=verdict,
        )
        finish_stage(self.store, self.registry, recipe, night, "finetune", "done", "better", verdict)
        plan = keep(make_plan(recipe, night, adapter))
        predictions = keep(Predictions(content=PredictionsContent(plan=plan, files=(), counts={}, rows=0)))
        finish_stage(self.store, self.registry, recipe, night, "predict", "done", "none", predictions)
        facts = self.put(f'{{"verdict":"{verdict}"}}')
        content = ReportContent(recipe=recipe, night=night.isoformat(), facts=facts)
        report = keep(Report(content=content, provenance=ReportProvenance(html=self.put("<p>"))))
        finish_stage(self.store, self.registry, recipe, night, "report", "done", "report", report)
        return self.made[recipe, night]

    def put(self, text: str) -> str:
        return self.store.put_blob(text.encode())


@pytest.fixture
def world(store: ObjectStore, registry: Database) -> World:
    return World(store, registry)


def make_curated(records: str, parent: str | None) -> Curated:
    content = Curated.Content(
        records=records,
        eval_sets=(),
        parent=parent,
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
        refusal=None,
    )
    return Curated(content=content)


def make_snapshot(recipe: str, night: date, text: str, parent: str | None) -> Snapshot:
    provenance = SnapshotProvenance(files=(), recipe=recipe, night=night.isoformat(), parent=parent)
    return Snapshot(content=SnapshotContent(rows_root=text, columns=(), splits={}), provenance=provenance)


def make_preparation(recipe: str, night: date, records: str, curated: str, snapshot: str) -> Preparation:
    content = PreparationContent(
        recipe=recipe,
        night=night.isoformat(),
        cut_from="2026-11-22T00:00:00Z",
        cut_to="2026-11-23T00:00:00Z",
        records=records,
        eval_sets=(),
        snapshot=snapshot,
        curated=curated,
        ledger=(),
        quarantine=(),
        rows_in=1,
        counts=(),
        expectations=(),
    )
    return Preparation(content=content)


def make_blueprint(recipe: str, night: date, snapshot: str) -> Blueprint:
    content = BlueprintSpec(
        recipe=recipe,
        snapshot=snapshot,
        base=BASE,
        task=TASK,
        trials=(PLAN,),
        primary="team",
        eval_sets=(),
        max_new_tokens=8,
        promote_on="better",
        margin=0.02,
        confidence=0.95,
        code={},
        packages={},
    )
    provenance = BlueprintProvenance(night=night.isoformat(), packages={}, python="3.11", machine="x86_64")
    return Blueprint(content=content, provenance=provenance)


def make_adapter(weights: str, blueprint: str) -> Adapter:
    files = ({"path": "a.safetensors", "sha256": weights, "size_bytes": 7},)
    content = AdapterContent(base=BASE, method="lora", files=files)
    return Adapter(content=content, provenance=AdapterProvenance(blueprint=blueprint, trial=0))


def make_import(recipe: str, adapter: str) -> Import:
    content = Import.Content(recipe=recipe, adapter=adapter, task=TASK)
    return Import(content=content, provenance=Import.Provenance(source="elsewhere", imported_at=utc_now()))


def make_trial(snapshot: str, adapter: str) -> Trial:
    key = TrialKey(snapshot=snapshot, base=BASE, task=TASK, plan=PLAN, code={}, packages={})
    result = TrialResult(
        adapter=adapter,
        steps=1,
        kept_step=1,
        examples=1,
        tokens=1,
        label_tokens=1,
        left_out=0,
        final_loss=0.5,
        seconds=1,
        tokens_per_second=1,
        curve=(),
    )
    return Trial(key=key, result=result)


def make_verdict(recipe: str, night: date, blueprint: str, candidate: str, champion: str | None) -> Verdict:
    content = VerdictContent(
        recipe=recipe,
        night=night.isoformat(),
        blueprint=blueprint,
        candidate=candidate,
        champion=champion,
        baseline=BASE,
        scores=(),
        comparisons=(),
        deciding=None,
        gates=(),
        finding="BETTER",
        promote=True,
        reason="it is better",
    )
    return Verdict(content=content)


def make_plan(recipe: str, night: date, adapter: str) -> PredictionPlan:
    content = make_plan_content(
        TASK, recipe=recipe, night=night.isoformat(), model=ModelRef(base=BASE, adapter=adapter)
    )
    return PredictionPlan(content=content)
