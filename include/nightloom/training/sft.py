"""Supervised fine-tuning with TRL: LoRA by peft, or all weights; deterministic, and safetensors only."""

import json
import logging
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl

from nightloom.artifacts.blueprints import BlueprintIdentity, TrialPlan
from nightloom.artifacts.folders import fetch_model, scratch_folder
from nightloom.artifacts.models import BaseModelManifest
from nightloom.artifacts.reading import read_tokens
from nightloom.artifacts.training import HeldOutLoss
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.engines.transformers import load_model, load_tokenizer, quiet_about_old_names
from nightloom.training.answer_loss import choose_trainer
from nightloom.training.base import Course, Training
from nightloom.training.census import take_census
from nightloom.training.determinism import be_deterministic
from nightloom.training.encode import encode_snapshot, read_encoded
from nightloom.training.held_out import measure_held_out
from nightloom.training.processes import go_first, lead, share_rows
from nightloom.training.progress import make_progress, read_curve, refuse_broken_weights
from nightloom.training.resuming import make_resumable, train_along, written_to_disk
from nightloom.training.settings import DEFAULTS, LORA_DEFAULTS, OURS, check_settings

logger = logging.getLogger(__name__)


def train_with_trl(
    store: ObjectStore, blueprint: BlueprintIdentity, plan: TrialPlan, folder: Path, course: Course
) -> Training | HeldOutLoss:
    """Fine-tune a base model and write the adapter's files; where the course halts, measure the loss there.

    Raises:
        InputError: A setting is unknown or not a recipe's to set, the examples teach nothing, or training diverged.
        FaultError: The disk is full.
    """
    from datasets import disable_progress_bars

    disable_progress_bars()
    check_settings(plan)
    examples = go_first(lambda: read_encoded(store, blueprint))
    _, base = go_first(lambda: fetch_model(store, BaseModelManifest, blueprint.base))
    be_deterministic(plan.seed)
    tokenizer = load_tokenizer(base)
    with scratch_folder() as scratch, quiet_about_old_names():
        trainer = _make_trainer(plan, base, tokenizer, examples, Path(lead(lambda: str(scratch))))
        census = take_census(trainer, tokenizer)
        share_rows(trainer)
        progress = make_progress(census.tokens, course)
        trainer.add_callback(progress)
        train_along(trainer, course)
        step = trainer.state.global_step
        refuse_broken_weights(trainer.model, step)
        if course.halt is not None:
            return measure_held_out(trainer.model, _read_selection(store, blueprint), step)
        with written_to_disk("the adapter"):
            lead(lambda: _save(trainer.model, folder))
    return Training(
        steps=step,
        examples=census.examples,
        tokens=census.tokens,
        label_tokens=census.label_tokens,
        tokens_seen=progress.tokens_seen(trainer.state.epoch),
        left_out=census.left_out,
        curve=read_curve(trainer.state.log_history),
        kept_step=step,
    )


def _read_selection(store: ObjectStore, blueprint: BlueprintIdentity) -> pl.DataFrame:
    rows = read_tokens(store, encode_snapshot(store, blueprint), "selection")
    if rows.is_empty():
        msg = (
            f"snapshot {short(blueprint.snapshot)} has no rows to choose between trials by; raise "
            f"prepare.split.selection, or leave train.trials.pruning out"
        )
        raise InputError(msg)
    return rows


def _make_trainer(plan: TrialPlan, base: Path, tokenizer: Any, examples: pl.DataFrame, scratch: Path) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from torch import cuda
    from transformers import PrinterCallback, ProgressCallback
    from trl import SFTConfig

    # On a CPU, plain matrix products are the fastest attention over texts as short as these.
    attention = None if cuda.is_available() else "eager"
    # peft and TRL write into the lists that they are given, and the plan is part of what a trial is found by.
    settings, lora = deepcopy(plan.settings), deepcopy(plan.lora)
    given = {"output_dir": str(scratch), "use_cpu": not cuda.is_available(), "seed": plan.seed, "data_seed": plan.seed}
    try:
        trainer = make_resumable(choose_trainer())(
            # Weights that are trained stay in 32 bits: mixed precision is bf16's part, by autocast.
            model=load_model(base, dtype="float32" if plan.method == "full" else "auto", attention=attention),
            args=SFTConfig(**{**DEFAULTS, **settings, **OURS, **given}),
            processing_class=tokenizer,
            peft_config=LoraConfig(**{**LORA_DEFAULTS, **lora}) if plan.method == "lora" else None,
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
