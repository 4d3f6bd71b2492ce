"""Exporting: write an adapter as a folder for transformers, peft and vLLM, with its card and its lineage."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.folders import fetch_folder, fetch_model
from nightloom.artifacts.ids import AdapterId
from nightloom.artifacts.model_files import ADAPTER_CONFIG, GENERATION_CONFIG, MODEL_CONFIG
from nightloom.artifacts.models import Adapter, BaseModelManifest
from nightloom.base_models.dummy import is_dummy
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.engines.transformers import open_transformers
from nightloom.exchange.cards import split_source, write_card
from nightloom.exchange.lineage import LINEAGE_FILE, Lineage, dump_lineage, read_lineage
from nightloom.processes.devices import NO_DEVICE
from nightloom.processes.parent import in_child
from nightloom.promotion.parity import Tuned, check_merged
from nightloom.registry.database import Database
from nightloom.registry.store import open_store
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import list_tokenizer_files

CARD_FILE = "README.md"

_READ_FIRST = ("*.safetensors", "*.safetensors.index.json", MODEL_CONFIG, GENERATION_CONFIG, ADAPTER_CONFIG)
"""Files that libraries open first. Those of an earlier export in the same folder must go."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export."""

    adapter: AdapterId
    folder: Path
    form: str
    files: tuple[str, ...]


def export_model(
    store: ObjectStore,
    database: Database,
    adapter_id: AdapterId,
    recipe: str,
    folder: Path,
    *,
    merged: bool = False,
    force: bool = False,
) -> Exported:
    """Write an adapter into a folder. The same export again writes the same bytes.

    Args:
        store: Store of the adapter.
        database: Registry with the verdicts on the adapter.
        adapter_id: The adapter.
        recipe: Recipe for the card and the lineage. Another recipe may have the same adapter.
        folder: Target folder, created if missing.
        merged: Whether to merge the adapter into its base model.
        force: Whether to write into a folder with other contents. Files of the same names and other weights are lost.

    Raises:
        InputError: The adapter has no weights or cannot be merged, its base model is gone, or the folder holds
            something else.
    """
    adapter = store.load(Adapter, adapter_id)
    if is_dummy(adapter.content.files):
        msg = f"adapter {short(adapter_id)} is from the dummy trainer and has no weights; train one with `trainer: trl`"
        raise InputError(msg)
    lineage = read_lineage(store, database, adapter, recipe)
    form = "merged" if merged and adapter.content.method == "lora" else "adapter"
    document = dump_lineage(lineage, form)
    _refuse_other(folder, document, force=force)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as lent:
        scratch = Path(lent)
        _write_model(store, lineage, scratch, form)
        (scratch / LINEAGE_FILE).write_bytes(document)
        names = _move(scratch, folder)
    return Exported(adapter_id, folder, form, names)


def run_merge(adapter_id: AdapterId, folder: str) -> None:
    """Merge an adapter into its base model, and write the model. Run this in a child process.

    Raises:
        InputError: The written model is another one than the adapter on its base model.
    """
    store = open_store()
    manifest, adapter = fetch_model(store, Adapter, adapter_id)
    _, base = fetch_model(store, BaseModelManifest, manifest.content.base)
    tuned = Tuned(base, adapter, manifest.content.method)
    save_merged(open_transformers(base, adapter, tuned.method).model, Path(folder))
    check = check_merged(tuned, Path(folder))
    if not check.passed:
        msg = f"adapter {short(adapter_id)} cannot be merged: {check.message}; export it without --merged"
        raise InputError(msg)


def save_merged(model: Any, folder: Path) -> None:
    """Write a merged model so that it loads as the same model.

    If the adapter trained only the embeddings, the output layer is no longer tied to them. A configuration that says
    otherwise would load another model.
    """
    embeddings, output = model.get_input_embeddings(), model.get_output_embeddings()
    if output is not None and output.weight is not embeddings.weight:
        model.config.tie_word_embeddings = False
    model.save_pretrained(folder, max_shard_size="5GB")


def _refuse_other(folder: Path, document: bytes, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file; name a folder"
        raise InputError(msg)
    if force or not folder.is_dir() or not any(folder.iterdir()):
        return
    before = folder / LINEAGE_FILE
    if not before.is_file() or before.read_bytes() != document:
        msg = f"{folder} has other contents; name a new folder, or add --force to overwrite"
        raise InputError(msg)


def _write_model(store: ObjectStore, lineage: Lineage, folder: Path, form: str) -> None:
    adapter = lineage.adapter
    base = store.load(BaseModelManifest, adapter.content.base)
    lora: dict[str, Any] = {}
    if form == "merged":
        # Without a GPU: none is leased here, and the bytes must not depend on one.
        in_child(run_merge, environment=NO_DEVICE)(adapter_id=adapter.id, folder=str(folder))
    else:
        fetch_folder(store, adapter.content.files, folder)
    if adapter.content.method == "lora":
        (config,) = [file for file in adapter.content.files if file.path == ADAPTER_CONFIG]
        lora = json.loads(store.get_blob(config.sha256))
    if form == "adapter" and lora:
        location, revision = split_source(lineage)
        named = {**lora, "base_model_name_or_path": location, "revision": revision}
        (folder / ADAPTER_CONFIG).write_text(json.dumps(named, indent=2, sort_keys=True), encoding="utf-8")
    fetch_folder(store, list_tokenizer_files(base.content.files), folder)
    _fix_template_date(folder)
    # The snapshot may be in another installation, or be deleted by `snapshot gc`.
    snapshot = store.load_if_there(Snapshot, lineage.blueprint.content.snapshot if lineage.blueprint else None)
    card = write_card(lineage, snapshot, merged=form == "merged", lora=lora)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def _fix_template_date(folder: Path) -> None:
    """Replace a template that prints today's date by the template of training, which has a fixed date."""
    paths = [folder / name for name in ("chat_template.jinja", "tokenizer_config.json")]
    if any("strftime_now" in path.read_text(encoding="utf-8") for path in paths if path.is_file()):
        paths[0].write_text(load_tokenizer(folder).get_chat_template(), encoding="utf-8")


def _move(scratch: Path, folder: Path) -> tuple[str, ...]:
    """Move the files into the folder, the lineage file last, because it marks the export as complete."""
    folder.mkdir(exist_ok=True)
    (folder / LINEAGE_FILE).unlink(missing_ok=True)
    names = sorted(path.name for path in scratch.iterdir())
    for stale in {path for pattern in _READ_FIRST for path in folder.glob(pattern) if path.name not in names}:
        stale.unlink()
    for name in sorted(names, key=lambda name: name == LINEAGE_FILE):
        # Files of a temporary folder may be readable by their owner only.
        (scratch / name).chmod(0o644)
        shutil.move(scratch / name, folder / name)
    return tuple(names)
