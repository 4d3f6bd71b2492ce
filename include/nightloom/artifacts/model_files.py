"""Model files: which files may be loaded from a model folder, from any origin. All rules are in this module.

Data is allowed: safetensors, JSON, vocabularies and chat templates. Pickles and custom code never are.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from nightloom.core.errors import InputError

WEIGHTS_SUFFIX = ".safetensors"
SUFFIXES = (WEIGHTS_SUFFIX, ".json", ".txt", ".jinja", ".model")
"""Files of a model: weights, configuration, vocabulary, chat template."""
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")

MODEL_CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
MODEL_WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
"""Index of weights in several files, each named like `WEIGHTS_SHARD`."""
WEIGHTS_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

STARTS_TO_TRAIN = (True, False, "gaussian", "orthogonal", "mica")
"""Values of peft's `init_lora_weights` that leave the base model unchanged; the others modify it."""
STARTS_TO_IMPORT = (*STARTS_TO_TRAIN, "eva")
"""The same for an adapter that is already trained. EVA leaves the base model unchanged too, but needs data for its
initialisation that a recipe cannot name: such adapters can be loaded, but not trained here."""


def keep_model_files(names: Iterable[str], where: str) -> list[str]:
    """Return the names that belong to a model: data files directly in its folder.

    Other files are left out: the same weights in other formats, code, pictures, a card.

    Args:
        names: File names relative to the folder.
        where: Name of the folder, for errors.

    Raises:
        InputError: There is no model, or only pickled weights.
    """
    found = sorted(names)
    kept = [name for name in found if is_in_folder(name)]
    pickles = list_pickles(found)
    if pickles and not any(name.endswith(WEIGHTS_SUFFIX) for name in kept):
        msg = (
            f"{pickles[0]} in {where} is a pickle, which can run code when loaded, and there are no safetensors; if "
            f"you trust it, load it with transformers or peft and save it again with `save_pretrained`"
        )
        raise InputError(msg)
    if not kept:
        msg = f"{where} contains no model; it needs safetensors weights, config.json and a tokenizer"
        raise InputError(msg)
    return kept


def is_in_folder(name: str) -> bool:
    """Whether a name is a data file directly in a model's folder."""
    path = PurePosixPath(name)
    return len(path.parts) == 1 and not path.name.startswith(".") and path.suffix in SUFFIXES


def is_below_folder(name: str) -> bool:
    """Whether a name is a data file in a model's folder or below it, and not outside."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.suffix in SUFFIXES


def list_pickles(names: Iterable[str]) -> list[str]:
    """Return the names that are pickles, sorted."""
    return sorted(name for name in names if name.endswith(PICKLE_SUFFIXES))


def refuse_code(document: Mapping[str, Any], where: str | Path) -> None:
    """Refuse a model's JSON document that makes transformers run the model's own code.

    Raises:
        InputError: The document has `auto_map`.
    """
    if "auto_map" in document:
        msg = (
            f"{where} asks for the model's own code (auto_map), which is never run; use a model without it, or remove "
            f"the key if transformers supports the model_type itself"
        )
        raise InputError(msg)
