"""Supervised fine-tuning with TRL: LoRA with peft, or all weights; deterministic, and safetensors only."""

import json
import logging
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.frames import LABELS, put_frame
from nightloom.artifacts.models import BaseModelManifest
from nightloom.artifacts.training import HeldOutLoss
from nightloom.base_models.determinism import be_deterministic
from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.errors import InputError
from nightloom.core.scratch import scratch_folder
from nightloom.core.store import ObjectStore
from nightloom.rendering.encode import read_encoded
from nightloom.rendering.tokenizer import list_ends, load_tokenizer
from nightloom.rendering.tokens import find_context
from nightloom.training.answer_loss import choose_trainer
from nightloom.training.base import Training, TrainingControl
from nightloom.training.dataset_check import check_dataset, check_labels, label_examples, pick_sample
from nightloom.training.distributed import go_first, lead, share_rows
from nightloom.training.early_stopping import EvalHistory, make_callback
from nightloom.training.loading import choose_precision, describe_device, load_base
from nightloom.training.memory import train_halving, translate_memory_errors
from nightloom.training.progress import describe_warmup, make_progress, read_curve, refuse_broken_weights
from nightloom.training.resuming import make_resumable, train_along, written_to_disk
from nightloom.training.settings import (
    LORA_DEFAULTS,
    OURS,
    blame_settings,
    check_settings,
    halve_settings,
    merge_settings,
    read_batch,
    read_limit,
)

logger = logging.getLogger(__name__)


def train_with_trl(
    store: ObjectStore, spec: BlueprintSpec, plan: TrialPlan, folder: Path, control: TrainingControl
) -> Training | HeldOutLoss:
    """Fine-tune a base model and write the adapter's files, or return the held-out loss if the control halts earlier.

    Raises:
        InputError: A setting is unknown or reserved, or the examples teach nothing.
        DivergenceError: The loss is not finite.
        OutOfMemoryError: Not even one example fits the memory.
        FaultError: The disk is full.
    """
    from datasets import disable_progress_bars

    disable_progress_bars()
    check_settings(plan)

    def attempt(halvings: int) -> Training | HeldOutLoss:
        resumes = halvings == control.halvings
        begun = control if resumes else replace(control, checkpoint=None, halvings=halvings)
        with scratch_folder() as scratch, ignore_v6_deprecations():
            return _train(store, spec, plan, folder, Path(lead(lambda: str(scratch))), begun)

    return train_halving(attempt, *read_batch(plan), halvings=control.halvings)


def _train(
    store: ObjectStore, spec: BlueprintSpec, plan: TrialPlan, folder: Path, scratch: Path, control: TrainingControl
) -> Training | HeldOutLoss:
    # The first process encodes and fetches; the others then read what it has cached.
    examples, held_out = go_first(lambda: read_encoded(store, spec))
    _, base = go_first(lambda: fetch_model(store, BaseModelManifest, spec.base))
    be_deterministic(plan.seed)
    tokenizer = load_tokenizer(base)
    model = load_base(plan, base)
    context = find_context(model.config)
    limit = read_limit(plan, context)
    examples, stats = check_labels(examples, limit, tokenizer, list_ends(model, tokenizer))
    needed = control.halt is not None or len(spec.trials) > 1
    history = EvalHistory(held_out, context, plan.early_stopping, needed=needed)
    precision, adjustments = choose_precision(plan.settings)
    settings = merge_settings(plan, max(examples["input_ids"].list.len()), limit) | halve_settings(
        plan, control.halvings
    )
    trainer = _make_trainer(plan, model, tokenizer, examples, scratch, settings | precision, history)
    check_dataset(trainer.train_dataset, stats)
    share_rows(trainer)
    progress = make_progress(stats.tokens, control)
    trainer.add_callback(progress)
    trainer.add_callback(make_callback(history))
    with (
        translate_memory_errors(describe_device(), lambda: f"at step {trainer.state.global_step + 1}"),
        # Schedule, optimizer and kernels are made when training begins.
        blame_settings(plan, lambda: control.checkpoint is None and not trainer.state.global_step),
    ):
        train_along(trainer, control, history)
    step = trainer.state.global_step
    if not step:
        dropped = ", or remove dataloader_drop_last" if plan.settings.get("dataloader_drop_last") else ""
        msg = f"training has no step by train.settings.num_train_epochs and max_steps; raise one of them{dropped}"
        raise InputError(msg)
    refuse_broken_weights(trainer.model, step)
    if control.halt is not None:
        return history.evaluate_at_halt(trainer.model, step)
    kept_step = history.finish(trainer.model, step)
    lead(lambda: _save(trainer.model, folder))
    return Training(
        steps=step,
        examples=stats.examples,
        tokens=stats.tokens,
        label_tokens=stats.label_tokens,
        tokens_seen=progress.tokens_seen(trainer.state.epoch),
        left_out=stats.left_out,
        curve=read_curve(trainer.state.log_history),
        kept_step=kept_step,
        held_out=history.held_out,
        sample=lead(lambda: put_frame(store, pick_sample(examples, tokenizer), LABELS)),
        device=describe_device(),
        adjustments=(*adjustments, *filter(None, [describe_warmup(trainer.args, trainer.state.max_steps)])),
        changed_answers=stats.changed_answers,
    )


def _make_trainer(
    plan: TrialPlan,
    model: Any,
    tokenizer: Any,
    examples: pl.DataFrame,
    scratch: Path,
    settings: dict[str, Any],
    history: EvalHistory,
) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from torch import cuda
    from transformers import PrinterCallback, ProgressCallback
    from trl import SFTConfig

    given = {"output_dir": str(scratch), "use_cpu": not cuda.is_available(), "seed": plan.seed, "data_seed": plan.seed}
    # A copy: peft changes the lists that it receives, and the plan is part of the trial's cache key.
    lora = deepcopy({**LORA_DEFAULTS, **plan.lora})
    with blame_settings(plan):
        trainer = make_resumable(choose_trainer(), history)(
            model=model,
            args=SFTConfig(**{**settings, **OURS, **given}),
            processing_class=tokenizer,
            peft_config=LoraConfig(**lora) if plan.method == "lora" else None,
            train_dataset=Dataset.from_polars(label_examples(examples)),
        )
        trainer.create_optimizer()  # The recipe may name the optimizer, so this may fail, too.
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


@written_to_disk("the adapter")
def _save(model: Any, folder: Path) -> None:
    """Write weights and configuration, without anything that differs between machines."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    for path in folder.glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        if "base_model_name_or_path" in document:
            document["base_model_name_or_path"] = None
        for name in ("target_modules", "exclude_modules"):
            # peft keeps a set, whose order differs between processes.
            if isinstance(document.get(name), list):
                document[name].sort()
        path.write_text(json.dumps(document, indent=2, sort_keys=True), encoding="utf-8")
