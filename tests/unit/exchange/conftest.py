"""Exports and imports of adapters on the tiny base model, with child processes in the test's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.models import Adapter
from nightloom.core.store import ObjectStore
from nightloom.exchange.exporting import Exported, export_model
from nightloom.exchange.importing import adopt_model, read_folder
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database

from tests.factories.adapters import _own_var_folder, base, blueprint, make_adapter, one_thread, write_adapter  # noqa: F401
from tests.factories.stores import indexed_store  # noqa: F401

RECIPE = {
    "name": "triage",
    "owner": "support",
    "task": {
        "columns": {"text": "body"},
        "answer": {"team": {"column": "team", "one_of": ["billing", "login"]}},
        "primary": "team",
        "prompt": "triage/1",
    },
    "prepare": {"source": {"kind": "files", "path": "tickets.csv"}},
    "evaluate": {"sets": [{"name": "gold", "source": {"kind": "files", "path": "e.csv"}, "columns": {"text": "body"}}]},
}

Export = Callable[..., Exported]
Adopt = Callable[..., tuple[Adapter, list[str]]]


@pytest.fixture(autouse=True)
def _child_in_this_process(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_child(function: Callable[..., Any], *, environment: dict[str, str]) -> Callable[..., Any]:
        assert environment == {"CUDA_VISIBLE_DEVICES": ""}  # no GPU is leased here
        return lambda **arguments: function(**json.loads(json.dumps(arguments)))

    for module in ("exporting", "importing"):
        monkeypatch.setattr(f"nightloom.exchange.{module}.in_child", in_child)
    for module in ("exporting", "weights"):
        monkeypatch.setattr(f"nightloom.exchange.{module}.open_store", lambda: store)


@pytest.fixture
def export(store: ObjectStore, registry: Database, tmp_path: Path) -> Export:
    """Export into the folder `out`."""
    return lambda adapter, **how: export_model(store, registry, adapter.id, "triage", tmp_path / "out", **how)


@pytest.fixture
def adopt(store: ObjectStore, blueprint: Blueprint) -> Adopt:  # noqa: F811
    """Import a folder for a recipe with the task of the blueprint."""

    def adopt(folder: Path, base: str | None = None, **recipe: Any) -> tuple[Adapter, list[str]]:  # noqa: F811
        settings = Recipe.model_validate({**RECIPE, **recipe})
        task, found = blueprint.content.task, read_folder(store, folder)
        asked = {"base_id": base or blueprint.content.base, "task": task}
        imported, notes = adopt_model(store, found, settings, **asked, source=folder.name)
        return store.load(Adapter, imported.content.adapter), notes

    return adopt


@pytest.fixture
def foreign(tiny_model: Path, tmp_path: Path) -> Path:
    """A folder with an adapter saved by peft elsewhere."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    write_adapter(tiny_model, folder, 0.3, "lora")
    return folder


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def change_weights(folder: Path, change: Callable[[Any], Any]) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({name: change(weight) for name, weight in weights.items()}, path)
