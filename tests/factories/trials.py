"""A base model, a snapshot and a blueprint, small enough to train in a test."""

import gc
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.blueprints import Blueprint, BlueprintProvenance, BlueprintSpec, TrialPlan
from nightloom.artifacts.data import Snapshot, SnapshotContent, SnapshotFile, SnapshotProvenance
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.frames import EXAMPLES, put_frame
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.models import BaseModelContent, BaseModelManifest, BaseModelProvenance, TaskSpec
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.recipes.training import Pruning
from nightloom.registry.database import open_database

ROWS = [("the invoice is wrong", "billing"), ("my password is lost", "login")] * 4


@pytest.fixture(scope="session", autouse=True)
def _loaded() -> None:
    """Keep the libraries of training out of garbage collection, which each training runs."""
    import peft  # noqa: F401
    import trl  # noqa: F401

    gc.freeze()


@pytest.fixture(autouse=True)
def _own_var_folder(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty registry in it."""
    var_dir = tmp_path / "var"
    var_dir.mkdir()
    shutil.copy(migrated, var_dir / "registry.db")
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(var_dir))
    get_settings.cache_clear()
    open_database.cache_clear()


@pytest.fixture
def tiny_base(store: ObjectStore, tiny_model: Path) -> str:
    """The tiny model, in the store."""
    return publish_base(store, tiny_model)


@pytest.fixture
def plan_trial(store: ObjectStore) -> Callable[..., str]:
    """Publishes a blueprint of one trial on a few rows."""
    return partial(publish_blueprint, store)


@pytest.fixture
def plan_trials(store: ObjectStore) -> Callable[..., str]:
    """Publishes a blueprint of several trials, with a number of selection rows."""

    def publish(
        base: str,
        plans: tuple[TrialPlan, ...],
        *,
        pruning: Pruning | None = None,
        selection: int = 4,
        rows: list[tuple[str, str]] = ROWS,
    ) -> str:
        snapshot = publish_rows(store, rows, selection=selection)
        return publish_blueprint(store, base, plans[0], snapshot=snapshot, trials=plans, pruning=pruning)

    return publish


def publish_base(store: ObjectStore, folder: Path) -> str:
    return store.publish(
        BaseModelManifest(
            content=BaseModelContent(files=put_folder(store, folder)), provenance=BaseModelProvenance(source="tiny")
        )
    ).id


def publish_blueprint(
    store: ObjectStore,
    base: str,
    plan: TrialPlan,
    rows: list[tuple[str, str]] = ROWS,
    history: list[dict[str, str]] | None = None,
    selection: int = 0,
    **more: Any,
) -> str:
    """Publish a blueprint of one trial on a few rows; more of its fields by keyword."""
    prompt = PromptContent(messages=(PromptMessage(role="user", content="{{ text }}"),))
    fields: dict[str, Any] = {
        "recipe": "triage",
        "snapshot": publish_rows(store, rows, history, selection=selection),
        "base": base,
        "task": TaskSpec(
            prompt=store.publish(Prompt(content=prompt, provenance=PromptProvenance(name="triage/1"))).id,
            output="json",
            answer={"team": ("billing", "login")},
            field_order=("team",),
        ),
        "primary": "team",
        "eval_sets": (),
        "max_new_tokens": 8,
        "trials": (plan,),
        "promote_on": "better",
        "margin": 0.02,
        "confidence": 0.95,
        "code": {},
        "packages": {},
    }
    provenance = BlueprintProvenance(night="2026-11-23", packages={}, python="3.11", machine="x86_64")
    return store.publish(Blueprint(content=BlueprintSpec(**fields | more), provenance=provenance)).id


def publish_rows(
    store: ObjectStore,
    rows: list[tuple[str, str]],
    history: list[dict[str, str]] | None = None,
    *,
    shard_rows: int = 1000,
    parent: str | None = None,
    selection: int = 0,
) -> str:
    """Publish a snapshot of texts and teams, in shards of a number of rows; the last rows are for selection."""
    frame = pl.DataFrame(
        [
            {
                "row_id": f"{number:03d}",
                "cluster_id": "c",
                "split": "train" if number < len(rows) - selection else "selection",
                "text": text,
                "answer": team,
                "history": history,
            }
            for number, (text, team) in enumerate(rows)
        ],
        schema=EXAMPLES,
    ).with_columns(answer=pl.col("answer").map_elements(lambda team: json.dumps({"team": team}), pl.String))
    files = tuple(
        SnapshotFile(sha256=put_frame(store, shard, EXAMPLES), rows=len(shard), first_id="000", last_id="999")
        for shard in frame.iter_slices(shard_rows)
    )
    splits = {"train": len(rows) - selection} | ({"selection": selection} if selection else {})
    content = SnapshotContent(rows_root=rows_root(frame), columns=tuple(EXAMPLES), splits=splits)
    provenance = SnapshotProvenance(files=files, recipe="triage", night="2026-11-23", parent=parent)
    return store.publish(Snapshot(content=content, provenance=provenance)).id
