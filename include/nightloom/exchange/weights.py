"""Weights: check that imported weights are finite, fit their base model and change it."""

import json
from pathlib import Path
from typing import Any

from nightloom.artifacts.folders import fetch_folder, fetch_model
from nightloom.artifacts.models import AdapterContent, BaseModelManifest
from nightloom.core.errors import InputError
from nightloom.core.scratch import scratch_folder
from nightloom.engines.transformers import open_transformers
from nightloom.registry.store import open_store
from nightloom.rendering.tokenizer import load_tokenizer

_SHAPES = ("model_type", "vocab_size", "hidden_size", "num_hidden_layers")


def run_check(adapter: dict[str, Any], template: str | None) -> list[str]:
    """Check that weights fit their base model and change it, and return warnings for people.

    Run this in a child process, because it loads the model.

    Raises:
        InputError: The weights do not fit, or change nothing.
    """
    store = open_store()
    identity = AdapterContent.model_validate(adapter)
    _, base = fetch_model(store, BaseModelManifest, identity.base)
    with scratch_folder() as folder:
        fetch_folder(store, identity.files, folder)
        for path in sorted(folder.glob("*.safetensors")):
            _refuse_not_finite(path)
        if identity.method == "full":
            _refuse_other_model(base, folder)
        try:
            open_transformers(base, folder, identity.method)
        except InputError as error:
            # Without the scratch folder, which no longer exists when people read this.
            raise InputError(str(error).replace(f" in {folder}", "")) from error
        except Exception as error:  # peft and transformers raise any error on foreign files
            msg = f"the weights do not fit the base model: {str(error).strip().splitlines()[0]}"
            raise InputError(msg) from error
    # Our template may begin with a fixed date, so only the ends are compared.
    if template is not None and not load_tokenizer(base).get_chat_template().endswith(template):
        return ["its chat template differs from the base model's, which will be used; check its scores"]
    return []


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


def _refuse_other_model(base: Path, tuned: Path) -> None:
    """Check that a fully fine-tuned model has the shapes of its base model, and other weights."""
    from safetensors import safe_open

    ours, theirs = (json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in (tuned, base))
    for name in _SHAPES:
        if ours.get(name) != theirs.get(name):
            msg = (
                f"its {name} is {ours.get(name)!r}, but the base model's is {theirs.get(name)!r}; name its base model "
                f"with --base"
            )
            raise InputError(msg)
    expected = {name: path for path in base.glob("*.safetensors") for name in read_shapes(path)}
    found = {name: path for path in tuned.glob("*.safetensors") for name in read_shapes(path)}
    # An output layer that is tied to the embeddings is often not saved.
    missing = sorted(expected.keys() - found.keys() - {"lm_head.weight"})
    if missing:
        msg = f"{len(missing)} weights of the base model are missing, such as {missing[0]}; use a complete copy"
        raise InputError(msg)
    for name, path in found.items():
        if name not in expected:
            return
        with safe_open(path, framework="pt") as one, safe_open(expected[name], framework="pt") as other:
            if not one.get_tensor(name).float().equal(other.get_tensor(name).float()):
                return
    msg = "its weights equal the base model's; there is nothing to import"
    raise InputError(msg)
