"""Loading: a model folder's weights, from safetensors alone: their type, their attention and their device."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nightloom.core.errors import InputError


def load_model(folder: Path, dtype: str = "auto", attention: str | None = None, **more: Any) -> Any:
    """Load a model folder's weights, from safetensors alone, onto the GPU if there is one.

    Args:
        folder: The model's folder.
        dtype: Type of the weights in memory; `auto`: as they are stored.
        attention: The implementation of attention by transformers' name; none: its default.
        more: What else `from_pretrained` takes; with a `device_map` the model stays where that puts it.

    Raises:
        InputError: Weights are missing, or of another shape than config.json says.
    """
    import torch

    model = _read_model(folder, dtype=dtype, attn_implementation=attention, **more)
    return model if "device_map" in more else model.to("cuda" if torch.cuda.is_available() else "cpu")


def check_model(folder: Path) -> None:
    """Check that a folder's weights are whole and those of its architecture, without reading them.

    Raises:
        InputError: They are not.
    """
    load_model(folder, device_map="meta")


def _read_model(folder: Path, **how: Any) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model, found = AutoModelForCausalLM.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # told below, in a sentence
        **how,
    )
    # transformers makes up what is missing.
    wrong = sorted([*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])])
    if wrong:
        msg = (
            f"{len(wrong)} weights in {folder} are missing or of another shape than its config.json says, such as "
            f"{wrong[0]}; take a whole copy of the model"
        )
        raise InputError(msg)
    return model


@contextmanager
def quiet_about_old_names() -> Iterator[None]:
    """Keep out of the log that peft and TRL call transformers by names that go away in its version 6."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* will be removed in v6", category=FutureWarning)
        yield
