"""Trials: train what a blueprint plans, once; the adapter and its account are found again ever after."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from nightloom.artifacts.blueprints import Blueprint, BlueprintIdentity, TrialPlan
from nightloom.artifacts.folders import put_folder, scratch_folder
from nightloom.artifacts.models import Adapter, AdapterIdentity, AdapterRecord
from nightloom.artifacts.training import Trial, TrialRecord, identify_trial
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore, open_store
from nightloom.training.base import Trainer, Training
from nightloom.training.dummy import train_dummy
from nightloom.training.processes import lead
from nightloom.training.sft import train_with_trl

logger = logging.getLogger(__name__)

TRAINERS: Mapping[str, Trainer] = {"trl": train_with_trl, "dummy": train_dummy}


def run_trial(blueprint: str, trial: int) -> str:
    """Train in this process and give the trial's id: the entry for a worker."""
    return train_trial(open_store(), blueprint, trial).id


def train_trial(store: ObjectStore, blueprint_id: str, trial: int) -> Trial:
    """Give a blueprint's trial: the one that stands, or a new one.

    Raises:
        InputError: The blueprint plans no such trial, a setting is unknown, or nothing can be learned from the
            examples.
    """
    blueprint = store.load(Blueprint, blueprint_id).identity
    plan = _pick_plan(blueprint, blueprint_id, trial)
    identity = identify_trial(blueprint, trial)
    if found := lead(lambda: store.find(Trial, identity)):
        logger.info("trial %d of blueprint %s stands already", trial, short(blueprint_id))
        return found
    started = time.monotonic()
    with scratch_folder() as folder:
        training = TRAINERS[plan.trainer](store, blueprint, plan, folder)
        seconds = time.monotonic() - started
        adapter = lead(lambda: _publish_adapter(store, blueprint, blueprint_id, trial, folder))
    return lead(lambda: store.publish(Trial(identity=identity, record=_account(adapter, training, seconds))))


def _publish_adapter(
    store: ObjectStore, blueprint: BlueprintIdentity, blueprint_id: str, trial: int, folder: Path
) -> str:
    files = put_folder(store, folder)
    identity = AdapterIdentity(base=blueprint.base, method=blueprint.trials[trial].method, files=files)
    record = AdapterRecord(
        task=blueprint.task, max_new_tokens=blueprint.max_new_tokens, blueprint=blueprint_id, trial=trial
    )
    return store.publish(Adapter(identity=identity, record=record)).id


def _pick_plan(blueprint: BlueprintIdentity, blueprint_id: str, trial: int) -> TrialPlan:
    if not 0 <= trial < len(blueprint.trials):
        msg = f"blueprint {short(blueprint_id)} plans {len(blueprint.trials)} trials; {trial} is not one of them"
        raise InputError(msg)
    return blueprint.trials[trial]


def _account(adapter: str, training: Training, seconds: float) -> TrialRecord:
    return TrialRecord(
        adapter=adapter,
        steps=training.steps,
        examples=training.examples,
        tokens=training.tokens,
        label_tokens=training.label_tokens,
        left_out=training.left_out,
        final_loss=training.curve[-1].loss,
        seconds=round(seconds, 2),
        tokens_per_second=round(training.tokens_seen / seconds, 1),
        curve=training.curve,
        kept_step=training.kept_step,
        held_out=training.held_out,
        sample=training.sample,
        device=training.device,
        adjustments=training.adjustments,
    )
