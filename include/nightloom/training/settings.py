"""Settings: what a recipe's settings stand over, what is the same for every recipe, and which names there are."""

import dataclasses

from nightloom.artifacts.blueprints import TrialPlan
from nightloom.core.errors import InputError
from nightloom.core.recipes import RESERVED_SETTINGS
from nightloom.training.loading import check_lora_settings, check_model_settings, check_names

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
"""What a recipe's settings stand over: on a CPU the fastest (docs/performance.md), with bf16, which is TRL's default.

Checkpointing of activations costs a fifth of the speed: it is for large models.
"""

OURS = {
    # When state is saved, and that all of it is, follows from the course of the run.
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
    # A loss that is no number would be told as the mean of those before it.
    "logging_nan_inf_filter": False,
    # What a model is shown, and what of it it learns, is told by the ids that all trials and engines share.
    "chat_template_path": None,
    "assistant_only_loss": False,
    "completion_only_loss": True,
}
"""The same for every recipe; with what differs from trial to trial they are the reserved settings."""

LORA_DEFAULTS = {"task_type": "CAUSAL_LM", "target_modules": "all-linear"}


def check_settings(plan: TrialPlan) -> None:
    """Check the names of a plan's settings against those that TRL's SFTConfig and peft's LoraConfig know.

    Raises:
        InputError: One is unknown, is set by Nightloom itself, or cannot be used here.
    """
    from peft import LoraConfig
    from trl import SFTConfig

    for name in RESERVED_SETTINGS:
        if name in plan.settings:
            msg = f"train.settings.{name} is set by Nightloom itself; remove it (the seed is `train.seed`)"
            raise InputError(msg)
    theirs = "TRL's and peft's documentation list what there is"
    check_names("train.settings", plan.settings, {field.name for field in dataclasses.fields(SFTConfig)}, theirs)
    check_names("train.lora", plan.lora, {field.name for field in dataclasses.fields(LoraConfig)}, theirs)
    check_lora_settings(plan.lora)
    check_model_settings(plan)
