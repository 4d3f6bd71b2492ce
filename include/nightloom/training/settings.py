"""Settings: defaults under a recipe's settings, values that no recipe may change, and checks of names."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from typing import Any

from nightloom.artifacts.blueprints import TrialPlan
from nightloom.core.errors import InputError, first_line
from nightloom.recipes.training import RESERVED_SETTINGS
from nightloom.training.loading import check_lora_settings, check_model_settings, check_names
from nightloom.training.memory import halve_batch

DEFAULTS = {
    "learning_rate": 2e-4,
    "lr_scheduler_type": "cosine",
    "num_train_epochs": 3,
    "per_device_train_batch_size": 32,
    "train_sampling_strategy": "group_by_length",
    "activation_checkpointing": False,
    "logging_steps": 5,
    "ddp_find_unused_parameters": False,
}
"""Defaults under a recipe's settings: the fastest on a CPU (docs/performance.md), with bf16, which is TRL's default.

Activation checkpointing costs a fifth of the speed: it is for large models.
"""

OURS = {
    # The training control decides when to save, and a checkpoint holds the whole state.
    "save_strategy": "no",
    "save_only_model": False,
    "save_total_limit": None,
    "load_best_model_at_end": False,
    "restore_callback_states_from_checkpoint": False,
    "ignore_data_skip": False,
    "report_to": "none",
    "disable_tqdm": True,
    "push_to_hub": False,
    "trust_remote_code": False,
    "eval_strategy": "no",
    "logging_strategy": "steps",
    "logging_first_step": True,
    # Otherwise a loss that is not finite would be logged as the mean of the losses before it.
    "logging_nan_inf_filter": False,
    # `train_halving` halves a batch that does not fit and keeps the step; this setting would change the steps.
    "auto_find_batch_size": False,
    # The result must not depend on the number of processes.
    "average_tokens_across_devices": True,
    # The encoded examples, shared by all trials, already decide what a model reads and learns.
    "chat_template_path": None,
    "assistant_only_loss": False,
    "completion_only_loss": True,
}
"""Values for every recipe; with those that differ by trial they are the reserved settings."""

_UNFIT = ("deepspeed", "fsdp", "parallelism_config")
"""Settings that spread one model over several devices, which checkpoints and adapters here do not support."""

_PACK_TOKENS = 2048
"""Tokens of a pack if the recipe sets no max_length, unless an example is longer or the context shorter."""

_REFUSALS = (
    *(ValueError, TypeError, ImportError, AttributeError, LookupError, ArithmeticError, AssertionError),
    *(NotImplementedError, re.error),
)
"""Errors of libraries about a value: none of them passes by itself, as those of memory, disk and network may."""

LORA_DEFAULTS = {"task_type": "CAUSAL_LM", "target_modules": "all-linear"}


def check_settings(plan: TrialPlan) -> None:
    """Check the names of a plan's settings against those that TRL's SFTConfig and peft's LoraConfig know.

    Raises:
        InputError: A setting is unknown, is set by Nightloom itself, or cannot be used here.
    """
    from peft import LoraConfig
    from trl import SFTConfig

    for name in RESERVED_SETTINGS:
        if name in plan.settings:
            msg = f"train.settings.{name} is set by Nightloom itself; remove it (the seed is `train.seed`)"
            raise InputError(msg)
    theirs = "see TRL's SFTConfig and peft's LoraConfig for the known ones"
    check_names("train.settings", plan.settings, {field.name for field in dataclasses.fields(SFTConfig)}, theirs)
    check_names("train.lora", plan.lora, {field.name for field in dataclasses.fields(LoraConfig)}, theirs)
    for name in _UNFIT:
        if plan.settings.get(name):
            msg = f"train.settings.{name} spreads a model over several devices, which is not supported; remove it"
            raise InputError(msg)
    if plan.settings.get("use_liger_kernel") and find_spec("liger_kernel") is None:
        msg = (
            "train.settings.use_liger_kernel needs liger-kernel; install it for the training interpreter, or remove it"
        )
        raise InputError(msg)
    check_lora_settings(plan.lora)
    check_model_settings(plan)


@contextmanager
def blame_settings(plan: TrialPlan, is_before: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Translate the errors by which libraries refuse a setting: the recipe is wrong, so no retry would help.

    Args:
        plan: Its settings.
        is_before: Whether training is before its first step; called on failure. Later errors are no refusals.

    Raises:
        InputError: A library refused a setting. The message names it, or all settings if the error gives no hint.
    """
    try:
        yield
    except _REFUSALS as error:
        if not is_before():
            raise
        names = list_suspects(plan, str(error)) or ["the recipe's train section"]
        msg = f"{' or '.join(names)} cannot be used: {first_line(error)}; correct or remove it"
        raise InputError(msg) from error


def list_suspects(plan: TrialPlan, message: str) -> list[str]:
    """Return the paths of the settings that an error message is about, or of all if it has none of their words."""
    given = {
        f"train.{section}.{name}": f"{name} {value}"
        for section in ("settings", "lora", "model")
        for name, value in getattr(plan, section).items()
    }
    named = [path for path in given if re.search(rf"\b{path.rpartition('.')[2]}\b", message)]
    said = _split_words(message)
    return named or [path for path, text in given.items() if said & _split_words(text)] or list(given)


def _split_words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def read_batch(plan: TrialPlan) -> tuple[int, int]:
    """Return a plan's batch on one device and its accumulation.

    Raises:
        InputError: One of them is not a whole number above 0.
    """
    settings = {"gradient_accumulation_steps": 1, **DEFAULTS, **plan.settings}
    return _read_count(settings, "per_device_train_batch_size"), _read_count(settings, "gradient_accumulation_steps")


def read_limit(plan: TrialPlan, context: int) -> int:
    """Return the maximum number of tokens of an example: the model's context, or the plan's max_length if lower.

    Raises:
        InputError: max_length is not a whole number above 0.
    """
    return (
        context if plan.settings.get("max_length") is None else min(context, _read_count(plan.settings, "max_length"))
    )


def halve_settings(plan: TrialPlan, halvings: int) -> dict[str, int]:
    """Return the settings for a plan's batch after `halvings` halvings, and its accumulation."""
    batch, accumulation = halve_batch(*read_batch(plan), halvings)
    return {"per_device_train_batch_size": batch, "gradient_accumulation_steps": accumulation}


def merge_settings(plan: TrialPlan, longest: int, limit: int) -> dict[str, Any]:
    """Return the defaults with a plan's settings merged over them.

    Args:
        plan: The plan.
        longest: Tokens of the longest example.
        limit: Maximum number of tokens of an example.
    """
    settings = deepcopy({**DEFAULTS, **plan.settings})
    # transformers' old names, which it reads only if the new ones are not set.
    for name in ("gradient_checkpointing", "gradient_checkpointing_kwargs"):
        if name in settings:
            settings[name.replace("gradient", "activation")] = settings.pop(name)
    # TRL truncates to its max_length; examples longer than ours were left out before, and counted.
    pack = plan.settings.get("max_length") or max(longest, min(limit, _PACK_TOKENS))
    return {**settings, "max_length": pack if settings.get("packing") else None}


def _read_count(settings: Mapping[str, Any], name: str) -> int:
    count = settings[name]
    if type(count) is not int or count < 1:  # `true` is an int, too.
        msg = f"train.settings.{name} is {count!r}; write a whole number above 0"
        raise InputError(msg)
    return count
