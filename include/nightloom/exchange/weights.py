"""Weights: check that imported weights are finite, fit their base model, change it, and are served as they are."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypedDict

from nightloom.artifacts.folders import fetch_folder, fetch_model
from nightloom.artifacts.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, MODEL_CONFIG
from nightloom.artifacts.models import Adapter, AdapterContent, BaseModelManifest, ModelRef, TaskSpec
from nightloom.base_models.loading import load_model
from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.counts import show_count
from nightloom.core.errors import InputError, first_line
from nightloom.core.scratch import scratch_folder
from nightloom.promotion.parity import Tuned, prove_on_made_up_texts
from nightloom.registry.store import open_store
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import find_context, load_config

_SHAPES = ("model_type", "vocab_size", "hidden_size", "num_hidden_layers")

Shape = tuple[int, ...]


class Checked(TypedDict):
    """Result of a check: the proof of parity, not yet published, and warnings for people."""

    parity: dict[str, Any]
    notes: list[str]


def run_check(adapter: dict[str, Any], task: dict[str, Any], template: str | None) -> Checked:
    """Check that weights fit their base model and change it, and prove that they are served as they are.

    Run this in a child process, because it loads the model.

    Raises:
        InputError: The weights do not fit, change nothing, or would be served as another model.
    """
    store = open_store()
    identity = AdapterContent.model_validate(adapter)
    _, base = fetch_model(store, BaseModelManifest, identity.base)
    model = ModelRef(base=identity.base, adapter=Adapter.id_of(identity))
    with scratch_folder() as folder:
        fetch_folder(store, identity.files, folder)
        for path in sorted(folder.glob("*.safetensors")):
            _refuse_not_finite(path)
        try:
            if identity.method == "full":
                _refuse_other_model(base, folder)
            else:
                _refuse_unfit_adapter(base, folder)
            tuned = Tuned(base, folder, identity.method)
            parity = prove_on_made_up_texts(store, model, TaskSpec.model_validate(task), tuned)
        except InputError as error:
            # Without the scratch folder, which no longer exists when people read this.
            raise InputError(str(error).replace(f" in {folder}", "")) from error
        except Exception as error:  # peft and transformers raise any error on foreign files
            reason = first_line(error).rstrip(".")
            msg = (
                f"the weights cannot be used with this base model ({reason}); use a valid copy, or name their base "
                f"model with --base"
            )
            raise InputError(msg) from error
    if parity.mismatch:
        msg = f"it would not be served as it was trained: {parity.mismatch}"
        raise InputError(msg)
    # Our template may begin with a fixed date, so only the ends are compared.
    if template is not None and not load_tokenizer(base).get_chat_template().endswith(template):
        notes = ["its chat template differs from the base model's, which will be used; check its scores"]
    else:
        notes = []
    return Checked(parity=parity.model_dump(mode="json"), notes=notes)


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's weights. The library refuses a header that exceeds the file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as weights:
            return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118  # as below
    except (SafetensorError, OSError) as error:
        msg = f"{path.name} in {path.parent} is not a valid safetensors file ({error}); use another copy"
        raise InputError(msg) from error


def _refuse_not_finite(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118  # not a dictionary
            if not weights.get_tensor(name).isfinite().all():
                msg = f"weight {name} has values that are not finite; use a valid copy, or an earlier checkpoint"
                raise InputError(msg)


def _refuse_unfit_adapter(base: Path, folder: Path) -> None:
    """Check an adapter's settings and the shapes of its weights, before any memory is reserved for them.

    Raises:
        InputError: peft does not know a setting, or a weight is missing or has another shape.
    """
    _refuse_unknown_settings(folder)
    found = read_shapes(folder / ADAPTER_WEIGHTS)
    required, possible = _list_shapes(base, folder)
    wrong = next((name for name, shape in found.items() if possible.get(name, shape) != shape), None)
    if wrong:
        raise InputError(_explain_shape(base, wrong, found[wrong], possible[wrong]))
    missing, others = sorted(required.keys() - found.keys()), sorted(found.keys() - possible.keys())
    if missing and others:
        msg = (
            f"{show_count(len(others), 'weight of the adapter fits', 'weights of the adapter fit')} no module of its "
            f"base model, such as {others[0]}, which has "
            f"{missing[0]}; name its base model with --base, or save the adapter again with peft's `save_pretrained`"
        )
        raise InputError(msg)
    if missing:
        counted = show_count(len(missing), "weight of the adapter is", "weights of the adapter are")
        msg = f"{counted} missing, such as {missing[0]}; use a complete copy of it"
        raise InputError(msg)


def _refuse_unknown_settings(folder: Path) -> None:
    from peft import LoraConfig, __version__

    given = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    known = {one.name for one in fields(LoraConfig)}
    # What is not set changes nothing: peft writes every setting.
    unknown = sorted(name for name, value in given.items() if value and name not in known)
    if unknown:
        msg = (
            f"{ADAPTER_CONFIG} sets {unknown[0]}, which peft {__version__} does not know and would ignore; install "
            f"peft {given.get('peft_version') or 'in the version that saved it'}, or remove a setting without effect"
        )
        raise InputError(msg)


def _list_shapes(base: Path, folder: Path) -> list[dict[str, Shape]]:
    """Return the shapes of an adapter's weights by their names in files, as its configuration and base model need them.

    First those of every file, then with the embeddings, which peft saves if their number was changed.
    """
    import torch
    from peft import PeftConfig, PeftModel, get_peft_model_state_dict

    config = PeftConfig.from_pretrained(folder)
    config.init_lora_weights = False  # other starts compute with weights, which are not loaded here
    # On a device without memory: the rank in a configuration may be any number.
    with ignore_v6_deprecations(), torch.device("meta"):
        tuned = PeftModel(load_model(base, device_map="meta"), config)
    weights = (get_peft_model_state_dict(tuned, save_embedding_layers=whole) for whole in (False, True))
    return [{name: tuple(weight.shape) for name, weight in each.items()} for each in weights]


def _explain_shape(base: Path, name: str, found: Shape, expected: Shape) -> str:
    vocabulary = json.loads((base / MODEL_CONFIG).read_text(encoding="utf-8")).get("vocab_size")
    if expected[:1] == (vocabulary,) and found[1:] == expected[1:]:
        return (
            f"the adapter was trained on a base model with {found[0]} tokens, and this one has {vocabulary} ({name} "
            f"has another shape); save that base model with its tokenizer, and name it with --base"
        )
    ours, theirs = (" x ".join(map(str, shape)) for shape in (found, expected))
    return (
        f"the adapter does not fit its base model: weight {name} has shape {ours}, but {ADAPTER_CONFIG} and the base "
        f"model need {theirs}; name its base model with --base, or use a valid copy"
    )


def _refuse_other_model(base: Path, tuned: Path) -> None:
    """Check that a fully fine-tuned model has the shapes and context of its base model, and other weights."""
    from safetensors import safe_open

    ours, theirs = (json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in (tuned, base))
    for name in _SHAPES:
        if ours.get(name) != theirs.get(name):
            msg = (
                f"its {name} is {ours.get(name)!r}, but the base model's is {theirs.get(name)!r}; name its base model "
                f"with --base"
            )
            raise InputError(msg)
    if method := (ours.get("quantization_config") or {}).get("quant_method"):
        msg = f"it is quantized ({str(method)[:40]}), and its base model is not; import its unquantized copy"
        raise InputError(msg)
    context, most = (find_context(load_config(folder)) for folder in (tuned, base))
    if context < most:
        msg = (
            f"it holds {context} tokens, and its base model, by which rows are chosen, {most}; correct "
            f"max_position_embeddings, or name its base model with --base"
        )
        raise InputError(msg)
    expected = {name: path for path in base.glob("*.safetensors") for name in read_shapes(path)}
    found = {name: path for path in tuned.glob("*.safetensors") for name in read_shapes(path)}
    # An output layer that is tied to the embeddings is often not saved.
    missing, others = (
        sorted(expected.keys() - found.keys() - {"lm_head.weight"}),
        sorted(found.keys() - expected.keys()),
    )
    if missing and others:
        msg = (
            f"{len(others)} weights fit no module of its base model, such as {others[0]}, which has {missing[0]}; save "
            f"the model again: without an adapter in it (peft's `merge_and_unload`), and not as a compiled model"
        )
        raise InputError(msg)
    if missing:
        counted = show_count(len(missing), "weight of the base model is", "weights of the base model are")
        msg = f"{counted} missing, such as {missing[0]}; use a complete copy"
        raise InputError(msg)
    for name, path in found.items():
        if name not in expected:
            return
        with safe_open(path, framework="pt") as one, safe_open(expected[name], framework="pt") as other:
            if not one.get_tensor(name).float().equal(other.get_tensor(name).float()):
                return
    msg = "its weights equal the base model's; there is nothing to import"
    raise InputError(msg)
