"""A recipe, and all that its blueprint names, in the store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.data import (
    EvalSetContent,
    EvalSetManifest,
    EvalSetProvenance,
    Snapshot,
    SnapshotContent,
    SnapshotFile,
    SnapshotProvenance,
)
from nightloom.artifacts.frames import EVAL_ITEMS, EXAMPLES, put_frame
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.models import BaseModelContent, BaseModelManifest, BaseModelProvenance, ModelFile
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.blueprints.compile import draft_blueprint, publish_blueprint
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import Recipe

from tests.factories.nights import folder, no_children, prepared  # noqa: F401

RECIPE: dict[str, Any] = {
    "name": "triage",
    "owner": "support",
    "task": {
        "columns": {"text": "body"},
        "answer": {"team": {"column": "team", "one_of": ["billing", "sales"]}, "reply": {"column": "reply"}},
        "primary": "team",
        "prompt": "triage/1",
    },
    "prepare": {"source": {"kind": "files", "path": "tickets.csv"}},
    "evaluate": {
        "sets": [{"name": "held_out", "source": {"kind": "files", "path": "e.csv"}, "columns": {"text": "body"}}]
    },
}


@pytest.fixture(autouse=True)
def _own_var_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path / "var"))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@dataclass
class Inputs:
    """What a blueprint names, and the blobs behind it."""

    snapshot: str
    base: str
    eval_set: EvalSetManifest
    weights: str


@pytest.fixture
def inputs(store: ObjectStore) -> Inputs:
    rows = put_frame(
        store, pl.DataFrame([["r1", "c1", "train", "refund", "{}", None, None]], EXAMPLES, orient="row"), EXAMPLES
    )
    file = SnapshotFile(sha256=rows, rows=1, first_id="r1", last_id="r1")
    snapshot = Snapshot(
        content=SnapshotContent(rows_root="0" * 64, columns=tuple(EXAMPLES), splits={"train": 1}),
        provenance=SnapshotProvenance(files=(file,), recipe="triage", night="2026-11-23", parent=None),
    )
    weights = store.put_blob(b"weights")
    base = BaseModelManifest(
        content=BaseModelContent(files=(ModelFile(path="model.safetensors", sha256=weights, size_bytes=7),)),
        provenance=BaseModelProvenance(source="tiny"),
    )
    items = pl.DataFrame([["i1", "c1", "quote", "{}", None, None]], EVAL_ITEMS, orient="row")
    eval_set = EvalSetManifest(
        content=EvalSetContent(name="held_out", rows_root=rows_root(items), items=500),
        provenance=EvalSetProvenance(frame=put_frame(store, items, EVAL_ITEMS)),
    )
    return Inputs(store.publish(snapshot).id, store.publish(base).id, store.publish(eval_set), weights)


@pytest.fixture
def make_blueprint(store: ObjectStore, inputs: Inputs) -> Callable[..., Blueprint]:
    """Compile the recipe for a night, with sections of it replaced."""

    def make(night: date = date(2026, 11, 23), prompt: str = "{{ text }}", **sections: Any) -> Blueprint:
        asked = Prompt(
            content=PromptContent(messages=(PromptMessage(role="user", content=prompt),)),
            provenance=PromptProvenance(name="triage/1"),
        )
        draft = draft_blueprint(
            Recipe.model_validate({**RECIPE, **sections}),
            night=night,
            snapshot_id=inputs.snapshot,
            base_id=inputs.base,
            prompt=asked,
            eval_sets=[inputs.eval_set],
        )
        return publish_blueprint(store, draft, asked)

    return make
