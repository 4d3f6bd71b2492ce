"""Model files: what may be loaded from a model folder, whoever it comes from. The rules stand here alone.

Data passes: safetensors, JSON, vocabularies and chat templates. No pickle and nothing that asks for code ever does.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from nightloom.core.errors import InputError

WEIGHTS_SUFFIX = ".safetensors"
SUFFIXES = (WEIGHTS_SUFFIX, ".json", ".txt", ".jinja", ".model")
"""What a model is made of: weights, configuration, vocabulary, chat template."""
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")

MODEL_CONFIG = "config.json"
MODEL_WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
"""Names the files of weights that are cut into several, each called as `WEIGHTS_SHARD` has it."""
WEIGHTS_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

STARTS_TO_TRAIN = (True, False, "gaussian", "orthogonal", "mica")
"""Values of peft's `init_lora_weights` by which an adapter is right on the base model as it is.

By the others peft changes the base model.
"""
STARTS_TO_IMPORT = (*STARTS_TO_TRAIN, "eva")
"""The same for an adapter that is trained already. EVA leaves the base model as it is, too, but needs to be set up by
rows that a recipe cannot name: an adapter that began with it can be loaded, and not be trained here."""


def keep_model_files(names: Iterable[str], where: str) -> list[str]:
    """Return those of the names that a model is made of: plain data that lies directly in its folder.

    What is beside them is left behind: the same weights in other formats, code, pictures, a card.

    Args:
        names: Of files, relative to the folder.
        where: What the folder is called.

    Raises:
        InputError: None is, or the weights are pickles alone.
    """
    found = sorted(names)
    kept = [name for name in found if is_in_folder(name)]
    pickles = list_pickles(found)
    if pickles and not any(name.endswith(WEIGHTS_SUFFIX) for name in kept):
        msg = (
            f"{pickles[0]} in {where} is a pickle, which can run code when it is read, and there are no safetensors; "
            f"where you trust it, load it with transformers or peft and write it again with `save_pretrained`"
        )
        raise InputError(msg)
    if not kept:
        msg = f"{where} holds no model; it needs safetensors weights, config.json and a tokenizer"
        raise InputError(msg)
    return kept


def is_in_folder(name: str) -> bool:
    """Whether a name is that of a data file which lies directly in a model's folder."""
    path = PurePosixPath(name)
    return len(path.parts) == 1 and not path.name.startswith(".") and path.suffix in SUFFIXES


def is_below_folder(name: str) -> bool:
    """Whether a name is that of a data file in a model's folder or below it, and of none elsewhere."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.suffix in SUFFIXES


def list_pickles(names: Iterable[str]) -> list[str]:
    """Return those of the names that are pickles, sorted."""
    return sorted(name for name in names if name.endswith(PICKLE_SUFFIXES))


def refuse_code(document: Mapping[str, Any], where: str | Path) -> None:
    """Refuse a JSON document of a model by which transformers would run code that comes with it.

    Raises:
        InputError: It is one.
    """
    if "auto_map" in document:
        msg = (
            f"{where} asks for the model's own code (auto_map), which is never run; take a model that needs none, or a "
            f"copy without that key where transformers knows the model_type by itself"
        )
        raise InputError(msg)
