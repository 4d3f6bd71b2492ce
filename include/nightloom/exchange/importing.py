"""Importing: a folder with an adapter or a fully fine-tuned model becomes an adapter of this store.

Nothing in the folder is trusted. Only files with known names are read, JSON is parsed strictly, and weights must be
finite safetensors. Settings that make a library run code are dropped or refused. The adapter must fit its base model,
change its output, and be served as peft alone would ask it. Manifests from another installation are checked against
their digests.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nightloom.artifacts.ids import BaseId
from nightloom.artifacts.model_files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    GENERATION_CONFIG,
    MODEL_CONFIG,
    MODEL_WEIGHTS,
    STARTS_TO_IMPORT,
    WEIGHTS_INDEX,
    WEIGHTS_SHARD,
    list_pickles,
    refuse_code,
)
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance, Import, ModelFile, TaskSpec
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.results import Parity
from nightloom.core.digests import parse_json, short
from nightloom.core.errors import InputError
from nightloom.core.nights import utc_now
from nightloom.core.store import ObjectStore
from nightloom.exchange.lineage import LINEAGE_FILE, Lineage, parse_lineage
from nightloom.exchange.weights import read_shapes, run_check
from nightloom.processes.devices import NO_DEVICE
from nightloom.processes.parent import in_child
from nightloom.promotion.promote import refuse_unfit
from nightloom.recipes.schema import Recipe

_LARGEST_JSON_BYTES = 32 << 20
_REFUSED = {
    "megatron_config": "makes peft import a library that it names",
    "layer_replication": "makes peft build another model",
    "alora_invocation_tokens": "makes the adapter work only after certain tokens, so it cannot be merged",
    "arrow_config": "makes peft choose between several adapters, so it cannot be merged",
}
"""Settings of adapters that are not served, with the reason."""
_DROPPED = ("base_model_name_or_path", "revision", "auto_mapping")
"""Settings by which peft finds the base model, or code for it. We load the base model ourselves."""
_SETS = ("target_modules", "exclude_modules")
"""Settings that peft keeps as sets, and writes in an order that differs between processes."""
_PATTERNS = (*_SETS, "layers_pattern", "modules_to_save", "target_parameters", "rank_pattern", "alpha_pattern")
"""Settings that peft uses as regular expressions or builds them from."""

# Python's `re` backtracks, so many or nested repeats can take exponential time.
_MOST_REPEATS = 6


@dataclass(frozen=True, slots=True)
class Found:
    """A model in a folder, read but not yet checked.

    Attributes:
        base: Name of the base model in the adapter's configuration, or None if there is none.
        template: Chat template of the folder, or None if it has none.
        document: The lineage file from another installation, unchanged. Empty if there is none.
    """

    method: Literal["lora", "full"]
    files: tuple[ModelFile, ...]
    base: str | None
    template: str | None
    lineage: Lineage | None
    document: bytes


def read_folder(store: ObjectStore, folder: Path) -> Found:
    """Store the files of a model's folder, and return a description of them.

    Raises:
        InputError: The folder has no adapter or model, has weights that are not safetensors, or is not safe to load.
    """
    if not folder.is_dir():
        msg = f"{folder} is not a folder; name one that holds an adapter or a model"
        raise InputError(msg)
    document = _read_bytes(folder / LINEAGE_FILE) if (folder / LINEAGE_FILE).is_file() else b""
    lineage, form = parse_lineage(document) if document else (None, "adapter")
    if form != "adapter":
        msg = (
            f"{folder} is a merged export, but its verdict is about the adapter alone; import an export made without "
            f"--merged, or remove {LINEAGE_FILE} to import this one as a fully fine-tuned model"
        )
        raise InputError(msg)
    is_lora = (folder / ADAPTER_CONFIG).is_file()
    config = _read_json(folder / (ADAPTER_CONFIG if is_lora else MODEL_CONFIG))
    files = _keep_adapter(store, folder, config) if is_lora else _keep_model(store, folder)
    return Found(
        method="lora" if is_lora else "full",
        files=tuple(sorted(files, key=lambda file: file.path)),
        base=config.get("base_model_name_or_path") if is_lora else None,
        template=_read_template(folder),
        lineage=lineage,
        document=document,
    )


def adopt_model(
    store: ObjectStore, found: Found, recipe: Recipe, *, base_id: BaseId, task: TaskSpec, source: str
) -> tuple[Import, list[str]]:
    """Publish a model as an adapter of a recipe, and return its import with warnings for people.

    Args:
        store: Store of the base model and the files.
        found: The model that was read.
        recipe: The recipe that adopts the model.
        base_id: The base model that the adapter must have.
        task: Task of the recipe. It is used unless the lineage names the task that the model was trained for.
        source: Name of the source, for people.

    Raises:
        InputError: The model does not fit recipe, base model or lineage, or does not change the base model.
    """
    identity = AdapterContent(base=base_id, method=found.method, files=found.files)
    if found.lineage:
        _refuse_another(found.lineage, identity)
    asked = (found.lineage.task if found.lineage else None) or task
    adapter = Adapter(content=identity, provenance=AdapterProvenance(source=source))
    refuse_unfit(recipe, adapter, asked, base_id, task)
    if found.lineage and found.lineage.prompt and asked.prompt != task.prompt:
        _refuse_program(found.lineage.prompt)
        store.publish(found.lineage.prompt)
    check = in_child(run_check, environment=NO_DEVICE)
    plain, specified = identity.model_dump(mode="json"), asked.model_dump(mode="json")
    checked = check(adapter=plain, task=specified, template=found.template)
    store.publish(adapter)
    store.publish(Parity.model_validate(checked["parity"]))
    content = Import.Content(
        recipe=recipe.name,
        adapter=adapter.id,
        task=asked,
        lineage=store.put_blob(found.document) if found.lineage else None,
    )
    provenance = Import.Provenance(source=source, imported_at=utc_now())
    return store.publish(Import(content=content, provenance=provenance)), checked["notes"]


def _keep_adapter(store: ObjectStore, folder: Path, config: dict[str, Any]) -> list[ModelFile]:
    weights = folder / ADAPTER_WEIGHTS
    if not weights.is_file():
        raise InputError(_missing(folder, ADAPTER_WEIGHTS))
    read_shapes(weights)
    _refuse_unsafe(config)
    # Written as training writes it, so that an adapter has the same id everywhere.
    plain = {**config, **dict.fromkeys(_DROPPED)}
    plain |= {name: sorted(plain[name]) for name in _SETS if isinstance(plain.get(name), list)}
    return [_keep_json(store, ADAPTER_CONFIG, plain), _keep_file(store, weights)]


def _keep_model(store: ObjectStore, folder: Path) -> list[ModelFile]:
    files = [
        _keep_json(store, name, _read_json(folder / name))
        for name in (MODEL_CONFIG, GENERATION_CONFIG, WEIGHTS_INDEX)
        if (folder / name).is_file() or name == MODEL_CONFIG
    ]
    names = {MODEL_WEIGHTS}
    if (folder / WEIGHTS_INDEX).is_file():
        listed = _read_json(folder / WEIGHTS_INDEX).get("weight_map")
        names = {str(name) for name in listed.values()} if isinstance(listed, dict) else set()
    for name in sorted(names):
        if name != MODEL_WEIGHTS and not WEIGHTS_SHARD.fullmatch(name):
            msg = f"{WEIGHTS_INDEX} in {folder} names weights {name!r}; take a model as `save_pretrained` writes it"
            raise InputError(msg)
        if not (folder / name).is_file():
            raise InputError(_missing(folder, name))
        read_shapes(folder / name)
        files.append(_keep_file(store, folder / name))
    return files


def _keep_json(store: ObjectStore, name: str, document: dict[str, Any]) -> ModelFile:
    refuse_code(document, name)
    data = json.dumps(document, indent=2, sort_keys=True).encode()
    return ModelFile(path=name, sha256=store.put_blob(data), size_bytes=len(data))


def _keep_file(store: ObjectStore, path: Path) -> ModelFile:
    return ModelFile(path=path.name, sha256=store.put_file(path), size_bytes=path.stat().st_size)


def _refuse_unsafe(config: dict[str, Any]) -> None:
    """Check a configuration for what peft must not do, before peft reads it."""
    if config.get("peft_type") != "LORA" or config.get("task_type") not in ("CAUSAL_LM", None):
        kind = f"{config.get('peft_type')} for {config.get('task_type')}"
        msg = (
            f"{ADAPTER_CONFIG} is of {kind[:80]!r}; import LORA for CAUSAL_LM, or the model that peft's "
            f"`merge_and_unload` makes of it"
        )
        raise InputError(msg)
    for name, reason in _REFUSED.items():
        if config.get(name) is not None:
            msg = f"{ADAPTER_CONFIG} sets {name}, which {reason}; import an adapter that was trained without it"
            raise InputError(msg)
    start = config.get("init_lora_weights", True)
    if start not in STARTS_TO_IMPORT:
        msg = (
            f"{ADAPTER_CONFIG} sets init_lora_weights to {str(start)[:40]!r}, which makes peft change the base "
            f"model; save the adapter again with `path_initial_model_for_weight_conversion`"
        )
        raise InputError(msg)
    _refuse_endless(config)


def _refuse_endless(config: dict[str, Any]) -> None:
    """Check the patterns that peft matches with module names. Some would take too long."""
    for name in _PATTERNS:
        value = config.get(name)
        for pattern in [value] if isinstance(value, str) else value if isinstance(value, list | dict) else ():
            repeats = re.findall(r"[*+{]", str(pattern))
            if len(repeats) > _MOST_REPEATS or re.search(r"\)[*+{]", str(pattern)):
                msg = (
                    f"{name} in {ADAPTER_CONFIG} is the pattern {str(pattern)[:80]!r}, which may never finish "
                    f"matching; list the modules by name"
                )
                raise InputError(msg)


def _refuse_another(lineage: Lineage, identity: AdapterContent) -> None:
    """Check that the folder holds the adapter that its lineage describes."""
    described = lineage.adapter.content
    if described == identity:
        return
    if described.base != identity.base:
        source = lineage.base.provenance.source if lineage.base else "unknown"
        msg = (
            f"the adapter was trained on base model {short(described.base)} ({source!r} at its source), not on "
            f"{short(identity.base)}; name that model with --base"
        )
        raise InputError(msg)
    ours = {(file.path, file.sha256) for file in identity.files}
    changed = sorted({file.path for file in described.files if (file.path, file.sha256) not in ours}) or [
        "another file"
    ]
    msg = (
        f"{changed[0]} differs from {LINEAGE_FILE}, so the verdict does not apply to these weights; export the model "
        f"again, or remove {LINEAGE_FILE} to import only the weights"
    )
    raise InputError(msg)


def _refuse_program(prompt: Prompt) -> None:
    """Check that a prompt from elsewhere only inserts the text. A template could run any program."""
    for message in prompt.content.messages:
        if re.search(r"\{[{%#]", re.sub(r"\{\{ *text *\}\}", "", message.content)):
            msg = (
                f"prompt {short(prompt.id)} of the adapter has template code besides the text; read it in "
                f"{LINEAGE_FILE}, add it to your prompts, name it in the recipe, and import again"
            )
            raise InputError(msg)


def _read_template(folder: Path) -> str | None:
    if (folder / "chat_template.jinja").is_file():
        return _read_bytes(folder / "chat_template.jinja").decode(errors="replace")
    if (folder / "tokenizer_config.json").is_file():
        template = _read_json(folder / "tokenizer_config.json").get("chat_template")
        return template if isinstance(template, str) else None
    return None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        kinds = f"{ADAPTER_CONFIG} and no {MODEL_CONFIG}"
        msg = f"{path.parent} holds no {kinds}; name a folder with an adapter or a model"
        raise InputError(msg)
    try:
        document = parse_json(_read_bytes(path))
    except ValueError as error:
        msg = f"{path} is not valid JSON ({error}); use a valid copy of the model"
        raise InputError(msg) from error
    if not isinstance(document, dict):
        msg = f"{path} holds no JSON object; use a valid copy of the model"
        raise InputError(msg)
    return document


def _read_bytes(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_JSON_BYTES:
        msg = f"{path} has {path.stat().st_size} bytes, more than such files have; use a valid copy of the model"
        raise InputError(msg)
    return path.read_bytes()


def _missing(folder: Path, name: str) -> str:
    pickles = list_pickles(path.name for path in folder.iterdir())
    if pickles:
        return (
            f"{folder} has {pickles[0]} instead of {name}; pickles are never read: convert the weights to safetensors"
        )
    return f"{folder} has no {name}; use a complete copy of the model"
