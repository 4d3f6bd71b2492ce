"""An installation in a folder, whose store is in memory."""

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
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
from nightloom.core import errors
from nightloom.core.nights import compute_cut
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.nightly.context import describe_recipe
from nightloom.processes.child import run_function
from nightloom.processes.parent import in_child, name_function
from nightloom.recipes.check import load_recipe
from nightloom.registry.database import Database, open_database
from nightloom.registry.nights import end_stage, pin_recipe, record_night
from nightloom.registry.store import open_store

from tests.factories.manifests import make_preparation


@pytest.fixture
def folder(tmp_path: Path, store: ObjectStore, registry: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation without a recipe, whose store is in memory; its eval set is valid."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "prompts" / "triage").mkdir(parents=True)
    (tmp_path / "prompts" / "triage" / "1.yaml").write_text("messages: [{role: user, content: '{{ text }}'}]")
    (tmp_path / "gold.csv").write_text("body,team\nwhat do I owe,billing\nwhere is it,shipping\n")
    settings = {
        "VAR_DIR": tmp_path / "var",
        "RECIPES_DIR": tmp_path / "recipes",
        "PROMPTS_DIR": tmp_path / "prompts",
        "REGISTRY_URL": f"sqlite:///{tmp_path / 'registry.db'}",
        "CONN_TICKETS": f"sqlite:///{tmp_path / 'tickets.db'}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"NIGHTLOOM_{name}", str(value))
    monkeypatch.setattr("nightloom.registry.store.connect_store", lambda _: store)
    for cached in (get_settings, open_database, open_store):
        cached.cache_clear()
    yield tmp_path
    open_database().close()
    for cached in (get_settings, open_database, open_store):
        cached.cache_clear()


RECIPE = """\
name: triage
owner: support
task:
  columns: {text: body}
  answer: {team: {column: team, one_of: [billing, shipping]}}
  primary: team
  prompt: triage/1
prepare: {source: {kind: files, path: /tickets.csv}}
train: {trainer: dummy, base: dummy}
evaluate:
  sets: [{name: gold, source: {kind: files, path: /gold.csv}, columns: {text: body}}]
  linear_classifier: false
"""
NIGHT = date(2026, 11, 23)
ROWS = [("train", "the invoice is wrong", "billing"), ("train", "where is my parcel", "shipping")] * 3


@dataclass
class PreparedNight:
    """An installation, for tests to change and read."""

    folder: Path
    store: ObjectStore
    registry: Database
    night: date = NIGHT
    nights: list[date] = field(default_factory=list)

    @property
    def recipe_file(self) -> Path:
        return self.folder / "recipes" / "triage.yaml"

    def change_recipe(self, old: str, new: str) -> None:
        text = self.recipe_file.read_text(encoding="utf-8")
        assert old in text
        self.recipe_file.write_text(text.replace(old, new), encoding="utf-8")
        for night in self.nights:
            pin_recipe(self.registry, "triage", night, describe_recipe(load_recipe("triage")))

    def prepare(self, night: date, rows: Sequence[tuple[str, str, str]], field: str = "team") -> None:
        """Publish the results of the prepare stage of a night; rows are split, text and the value of the field."""
        items = [
            (f"i{n}", f"c{n}", text, json.dumps({field: team}), None, None) for n, (_, text, team) in enumerate(ROWS)
        ]
        frame = pl.DataFrame(items, EVAL_ITEMS, orient="row")
        eval_set = EvalSetManifest(
            content=EvalSetContent(name="gold", rows_root=rows_root(frame), items=len(frame)),
            provenance=EvalSetProvenance(frame=put_frame(self.store, frame, EVAL_ITEMS)),
        )
        cut = compute_cut("triage", night, "UTC")
        prepared = make_preparation(
            night=night.isoformat(),
            eval_sets=(self.store.publish(eval_set).id,),
            snapshot=self.store.publish(_freeze(self.store, night, rows, field)).id,
            rows_in=len(rows),
        )
        record_night(self.registry, cut)
        pin_recipe(self.registry, "triage", night, describe_recipe(load_recipe("triage")))
        self.nights.append(night)
        end_stage(self.registry, "triage", night, "prepare", "done", "rows", self.store.publish(prepared).id)


@pytest.fixture
def no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the functions of child processes in this process."""

    def run_here(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            given = inspect.signature(function).bind(*args, **kwargs).arguments
            document = json.loads(json.dumps(run_function(name_function(function), json.loads(json.dumps(given)))))
            if "error" in document:
                raise getattr(errors, document["error"])(document["message"])
            return document["result"]

        return run

    for module in [module for name, module in sys.modules.items() if name.startswith("nightloom.")]:
        if getattr(module, "in_child", None) is in_child:
            monkeypatch.setattr(module, "in_child", run_here)


@pytest.fixture
def prepared(folder: Path, store: ObjectStore, no_children: None) -> PreparedNight:
    """A prepared night 2026-11-23 of a recipe with dummy model and trainer; children run in this process."""
    (folder / "recipes" / "triage.yaml").write_text(RECIPE, encoding="utf-8")
    night = PreparedNight(folder, store, open_database())
    night.prepare(NIGHT, ROWS)
    return night


def _freeze(store: ObjectStore, night: date, rows: Sequence[tuple[str, str, str]], field: str) -> Snapshot:
    lines = [
        (f"r{number:03d}", "c", split, text, json.dumps({field: team}), None, None)
        for number, (split, text, team) in enumerate(rows)
    ]
    frame = pl.DataFrame(lines, EXAMPLES, orient="row")
    ids = frame["row_id"]
    file = SnapshotFile(
        sha256=put_frame(store, frame, EXAMPLES), rows=len(frame), first_id=str(ids.min()), last_id=str(ids.max())
    )
    counts = frame["split"].value_counts().sort("split").iter_rows()
    return Snapshot(
        content=SnapshotContent(rows_root=rows_root(frame), columns=tuple(EXAMPLES), splits=dict(counts)),
        provenance=SnapshotProvenance(files=(file,), recipe="triage", night=night.isoformat(), parent=None),
    )
