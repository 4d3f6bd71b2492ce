"""Adapters: LoRA weights put beside a base model's, or merged into them."""

from pathlib import Path
from typing import Any

from nightloom.base_models.loading import quiet_about_old_names
from nightloom.core.errors import InputError


def attach_adapter(model: Any, folder: Path) -> Any:
    """Put a LoRA adapter beside a model's weights, which stay as they are.

    Raises:
        InputError: Parts of it fit no module of this model.
    """
    from peft import PeftConfig, PeftModel

    try:
        with quiet_about_old_names():
            tuned = PeftModel(model, PeftConfig.from_pretrained(folder))
            result = tuned.load_adapter(folder, "default")
    except (RuntimeError, ValueError) as error:
        msg = f"the adapter in {folder} does not fit its base model: {str(error).strip().splitlines()[0]}"
        raise InputError(msg) from error
    if result.missing_keys or result.unexpected_keys:
        keys = [*result.missing_keys, *result.unexpected_keys]
        msg = f"the adapter in {folder} does not fit its base model: {len(keys)} weights without a place, {keys[0]}"
        raise InputError(msg)
    return tuned


def merge_adapter(model: Any, folder: Path) -> Any:
    """Merge a LoRA adapter into a model.

    Raises:
        InputError: Parts of it fit no module of this model, or it changes nothing.
    """
    tuned = attach_adapter(model, folder)
    if not _changes_something(tuned):
        msg = f"the adapter in {folder} changes nothing in its base model; train it longer, or faster"
        raise InputError(msg)
    return tuned.merge_and_unload()


def _changes_something(tuned: Any) -> bool:
    """Whether an adapter moves any weight: its B matrices start at zero, its copied modules as the originals."""
    weights = dict(tuned.named_parameters())
    for name, weight in weights.items():
        if ("lora_B" in name or "lora_embedding_B" in name) and weight.any():
            return True
        original = weights.get(name.replace("modules_to_save.default", "original_module"))
        if "modules_to_save" in name and original is not None and not original.equal(weight):
            return True
    return False
