"""Supervised fine-tuning with TRL: LoRA by peft, or all weights; deterministic, and safetensors only."""

import dataclasses
import difflib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from nightloom.artifacts.blueprints import BlueprintIdentity, TrialPlan
from nightloom.artifacts.folders import fetch_model, scratch_folder
from nightloom.artifacts.models import BaseModelManifest
from nightloom.core.errors import InputError
from nightloom.core.recipes import RESERVED_SETTINGS
from nightloom.core.store import ObjectStore
from nightloom.engines.transformers import load_model, load_tokenizer, quiet_about_old_names
from nightloom.training.answer_loss import choose_trainer
from nightloom.training.base import Training
from nightloom.training.census import take_census
from nightloom.training.determinism import be_deterministic
from nightloom.training.encode import read_encoded
from nightloom.training.processes import go_first, lead, share_rows
from nightloom.training.progress import make_progress

logger = logging.getLogger(__name__)

_DEFAULTS = {
    "learning_rate": 2e-4,
    "lr_scheduler_type": "cosine",
    "num_train_epochs": 3,
    "per_device_train_batch_size": 16,
    "train_sampling_strategy": "group_by_length",
    "activation_checkpointing": False,
    "logging_steps": 5,
    "ddp_find_unused_parameters": False,
}
"""What a recipe's settings stand over. Checkpointing of activations costs a fifth of the speed: for large models."""

_OURS = {
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "push_to_hub": False,
    "trust_remote_code": False,
    "eval_strategy": "no",
    "logging_strategy": "steps",
    "logging_first_step": True,
    # Nothing is cut silently: what does not fit the context is left out before training, and counted.
    "max_length": None,
    # What a model is shown, and what of it it learns, is told by the ids that all trials and engines share.
    "chat_template_path": None,
    "assistant_only_loss": False,
    "completion_only_loss": True,
}
"""The same for every recipe; with what differs from trial to trial they are the reserved settings."""

_LORA_DEFAULTS = {"task_type": "CAUSAL_LM", "target_modules": "all-linear"}


def train_with_trl(store: ObjectStore, blueprint: BlueprintIdentity, plan: TrialPlan, folder: Path) -> Training:
    """Fine-tune a base model and write the adapter's files.

    Raises:
        InputError: A setting is unknown or not a recipe's to set, or the examples teach nothing.
    """
    from datasets import disable_progress_bars

    disable_progress_bars()
    check_settings(plan)
    examples = go_first(lambda: read_encoded(store, blueprint))
    _, base = go_first(lambda: fetch_model(store, BaseModelManifest, blueprint.base))
    be_deterministic(plan.seed)
    tokenizer = load_tokenizer(base)
    with scratch_folder() as scratch, quiet_about_old_names():
        trainer = _make_trainer(plan, base, tokenizer, examples, scratch)
        census = take_census(trainer, tokenizer)
        share_rows(trainer)
        progress = make_progress(census.tokens)
        trainer.add_callback(progress)
        trainer.train()
        lead(lambda: _save(trainer.model, folder))
    return Training(
        steps=trainer.state.global_step,
        examples=census.examples,
        tokens=census.tokens,
        label_tokens=census.label_tokens,
        tokens_seen=progress.tokens_seen(trainer.state.epoch or 0.0),
        left_out=census.left_out,
        curve=progress.curve,
        kept_step=trainer.state.global_step,
    )


def check_settings(plan: TrialPlan) -> None:
    """Check the names of a plan's settings against those that TRL's SFTConfig and peft's LoraConfig know.

    Raises:
        InputError: One is unknown, or is set by Nightloom itself.
    """
    from peft import LoraConfig
    from trl import SFTConfig

    _check_names("train.settings", plan.settings, {field.name for field in dataclasses.fields(SFTConfig)})
    _check_names("train.lora", plan.lora, {field.name for field in dataclasses.fields(LoraConfig)})


def _check_names(where: str, given: Mapping[str, Any], known: set[str]) -> None:
    for name in given:
        if where == "train.settings" and name in RESERVED_SETTINGS:
            msg = f"{where}.{name} is set by Nightloom itself; remove it (the seed is `train.seed`)"
            raise InputError(msg)
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "TRL's and peft's documentation list what there is"
            msg = f"{where}.{name} is not a setting; {hint}"
            raise InputError(msg)


def _make_trainer(plan: TrialPlan, base: Path, tokenizer: Any, examples: pl.DataFrame, scratch: Path) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from torch import cuda
    from transformers import PrinterCallback, ProgressCallback
    from trl import SFTConfig

    # On a CPU, plain matrix products are the fastest attention over texts as short as these.
    attention = None if cuda.is_available() else "eager"
    given = {"output_dir": str(scratch), "use_cpu": not cuda.is_available(), "seed": plan.seed, "data_seed": plan.seed}
    try:
        trainer = choose_trainer()(
            # Weights that are trained stay in 32 bits: mixed precision is bf16's part, by autocast.
            model=load_model(base, dtype="float32" if plan.method == "full" else "auto", attention=attention),
            args=SFTConfig(**{**_DEFAULTS, **plan.settings, **_OURS, **given}),
            processing_class=tokenizer,
            peft_config=LoraConfig(**{**_LORA_DEFAULTS, **plan.lora}) if plan.method == "lora" else None,
            train_dataset=Dataset.from_polars(examples.select("input_ids", completion_mask="learned")),
        )
    except (ValueError, TypeError) as error:
        msg = f"the recipe's train section cannot be used: {error}; mend the setting that it names"
        raise InputError(msg) from error
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def _save(model: Any, folder: Path) -> None:
    """Write weights and configuration, without what differs from machine to machine though the weights are equal."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    for path in folder.glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        if "base_model_name_or_path" in document:
            document["base_model_name_or_path"] = None
        # peft keeps it as a set, whose order is another one in every process.
        if isinstance(document.get("target_modules"), list):
            document["target_modules"].sort()
        path.write_text(json.dumps(document, indent=2, sort_keys=True), encoding="utf-8")
