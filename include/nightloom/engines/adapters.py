"""Adapters: LoRA weights attached to a base model, or merged into its weights."""

from pathlib import Path
from typing import Any

from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.counts import show_count
from nightloom.core.errors import InputError, first_reason


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
        msg = f"the adapter in {folder} does not fit its base model: {first_reason(error)}"
        raise InputError(msg) from error
    if result.missing_keys or result.unexpected_keys:
        keys = [*result.missing_keys, *result.unexpected_keys]
        msg = (
            f"the adapter in {folder} does not fit its base model: "
            f"{show_count(len(keys), 'weight fits', 'weights fit')} no module, such as {keys[0]}"
        )
        raise InputError(msg)
    return tuned


def merge_adapter(model: Any, folder: Path) -> Any:
    """Merge a LoRA adapter into a model.

    Raises:
        InputError: Parts of the adapter fit no module of this model.
    """
    return attach_adapter(model, folder).merge_and_unload()


def find_tied_layer(tuned: Any) -> str | None:
    """Return the layer that an adapter changes although its base model ties it to another, or None.

    Tied layers share one weight, so merging into one would change the other.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    model = tuned.get_base_model()
    if not model.config.get_text_config().tie_word_embeddings:
        return None
    changed = [
        layer
        for layer in (model.get_input_embeddings(), model.get_output_embeddings())
        if isinstance(layer, BaseTunerLayer)
    ]
    return next((name.rpartition(".")[2] for name, one in model.named_modules() if one in changed), None)
