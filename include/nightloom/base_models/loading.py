"""Loading: a model folder's weights, from safetensors only, with their type, attention and device."""

from pathlib import Path
from typing import Any

from nightloom.base_models.quiet import disable_progress_bars
from nightloom.core.counts import show_count
from nightloom.core.errors import InputError


def load_model(folder: Path, dtype: str = "auto", attention: str | None = None, **more: Any) -> Any:
    """Load a model folder's weights, from safetensors only, onto the GPU if there is one.

    Args:
        folder: The model's folder.
        dtype: Type of the weights in memory; `auto` keeps the stored type.
        attention: transformers' name of the attention implementation, or None for its default.
        more: Further arguments of `from_pretrained`; a `device_map` decides the device.

    Raises:
        InputError: Weights are missing, or their shape differs from config.json.
    """
    import torch

    model = _read_model(folder, dtype=dtype, attn_implementation=attention, **more)
    return model if "device_map" in more else model.to("cuda" if torch.cuda.is_available() else "cpu")


def check_model(folder: Path) -> None:
    """Check that a folder's weights are complete and fit its architecture, without reading them.

    Raises:
        InputError: They do not.
    """
    load_model(folder, device_map="meta")


def _read_model(folder: Path, **how: Any) -> Any:
    from transformers import AutoModelForCausalLM

    disable_progress_bars()
    model, found = AutoModelForCausalLM.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # refused below, with a message of our own
        **how,
    )
    # transformers initialises missing weights at random.
    wrong = sorted([*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])])
    if wrong:
        verb = "is missing or differs" if len(wrong) == 1 else "are missing or differ"
        msg = (
            f"{show_count(len(wrong), 'weight')} in {folder} {verb} in shape from config.json, such as {wrong[0]}; "
            f"use an intact copy of the model"
        )
        raise InputError(msg)
    return model
