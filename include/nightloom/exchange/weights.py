"""Weights from elsewhere: whether they are finite, fit their base model and change it, before anybody is answered."""

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
    """Check in this process that weights fit their base model and change it: for a child process.

    Gives what a person should know.

    Raises:
        InputError: They do not.
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
            # Without the folder, which is gone when this is read.
            raise InputError(str(error).replace(f" in {folder}", "")) from error
        except Exception as error:  # peft and transformers raise anything on what they did not write
            msg = f"the weights do not fit the base model: {str(error).strip().splitlines()[0]}"
            raise InputError(msg) from error
    # What it is told first, where it writes today's date, is ours.
    if template is not None and not load_tokenizer(base).get_chat_template().endswith(template):
        return ["its chat template is not the base model's, by which it will be asked; look at its scores"]
    return []


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read what weights a file holds; the library refuses a header that says more than the file has."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as weights:
            return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118  # as below
    except (SafetensorError, OSError) as error:
        msg = f"{path.name} in {path.parent} is no sound safetensors file ({error}); take another copy"
        raise InputError(msg) from error


def _refuse_not_finite(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118  # it is no dictionary
            if not weights.get_tensor(name).isfinite().all():
                msg = f"weight {name} holds numbers that are not finite; take a sound copy, or an earlier checkpoint"
                raise InputError(msg)


def _refuse_other_model(base: Path, tuned: Path) -> None:
    """Check that a model that was tuned whole has the shape of its base model, and other weights."""
    from safetensors import safe_open

    ours, theirs = (json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in (tuned, base))
    for name in _SHAPES:
        if ours.get(name) != theirs.get(name):
            msg = (
                f"its {name} is {ours.get(name)!r} and the base model's {theirs.get(name)!r}; name its own with --base"
            )
            raise InputError(msg)
    places = {name: path for path in base.glob("*.safetensors") for name in read_shapes(path)}
    found = {name: path for path in tuned.glob("*.safetensors") for name in read_shapes(path)}
    missing = sorted(places.keys() - found.keys() - {"lm_head.weight"})
    if missing:
        msg = f"{len(missing)} weights of the base model are not among its own, {missing[0]} for one; take a whole copy"
        raise InputError(msg)
    for name, path in found.items():
        if name not in places:
            return
        with safe_open(path, framework="pt") as one, safe_open(places[name], framework="pt") as other:
            if not one.get_tensor(name).float().equal(other.get_tensor(name).float()):
                return
    msg = "its weights are the base model's; there is nothing to import"
    raise InputError(msg)
