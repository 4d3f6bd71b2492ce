"""Adapters: LoRA weights attached to a base model, or merged into its weights."""

from pathlib import Path
from typing import Any

from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.errors import InputError


def attach_adapter(model: Any, folder: Path) -> Any:
    """Attach a LoRA adapter to a model, whose own weights stay unchanged.

    Raises:
        InputError: Parts of the adapter fit no module of this model.
    """
    from peft import PeftConfig, PeftModel

    try:
        with ignore_v6_deprecations():
            tuned = PeftModel(model, PeftConfig.from_pretrained(folder))
            result = tuned.load_adapter(folder, "default")
    except (RuntimeError, ValueError) as error:
        msg = f"the adapter in {folder} does not fit its base model: {str(error).strip().splitlines()[0]}"
        raise InputError(msg) from error
    if result.missing_keys or result.unexpected_keys:
        keys = [*result.missing_keys, *result.unexpected_keys]
        msg = (
            f"the adapter in {folder} does not fit its base model: {len(keys)} weights fit no module, such as {keys[0]}"
        )
        raise InputError(msg)
    return tuned


def merge_adapter(model: Any, folder: Path) -> Any:
    """Merge a LoRA adapter into a model.

    Raises:
        InputError: Parts of the adapter fit no module of this model, or it changes nothing.
    """
    tuned = attach_adapter(model, folder)
    if not _changes_something(tuned):
        msg = f"the adapter in {folder} changes nothing in its base model; train longer, or with a higher learning rate"
        raise InputError(msg)
    return tuned.merge_and_unload()


def _changes_something(tuned: Any) -> bool:
    """Whether an adapter changes any weight: B matrices start at zero, saved modules as copies of the originals."""
    weights = dict(tuned.named_parameters())
    for name, weight in weights.items():
        if ("lora_B" in name or "lora_embedding_B" in name) and weight.any():
            return True
        original = weights.get(name.replace("modules_to_save.default", "original_module"))
        if "modules_to_save" in name and original is not None and not original.equal(weight):
            return True
    return False
