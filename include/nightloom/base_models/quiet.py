"""Quiet: settings by which the Hugging Face libraries write no progress bars and no notes to themselves into a log.

A log is read by line, and a progress bar writes hundreds of them. Warnings that a person can act on stay visible.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def disable_progress_bars() -> None:
    """Disable the progress bars of transformers, such as those of loading and saving weights, and of the Hub client."""
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bars()
    disable_progress_bar()


@contextmanager
def ignore_v6_deprecations() -> Iterator[None]:
    """Ignore that peft and TRL use names that transformers renames in its version 6: only they can change that."""
    with warnings.catch_warnings():
        renamed = "`(is_)?gradient_checkpointing(_kwargs|_enable)?` is deprecated and will be removed in v6"
        warnings.filterwarnings("ignore", message=renamed, category=FutureWarning)
        yield
