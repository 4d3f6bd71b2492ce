"""Train each trial once: cached by its inputs, resumed from its last checkpoint."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec, TrialPlan
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.ids import AdapterId, BlueprintId
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance
from nightloom.artifacts.training import (
    Divergence,
    HeldOutLoss,
    Rung,
    Trial,
    TrialKey,
    TrialResult,
    identify_trial,
)
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.errors import DivergenceError, InputError
from nightloom.core.manifests import Manifest, Plain
from nightloom.core.scratch import scratch_folder
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database, open_database
from nightloom.registry.store import open_store
from nightloom.registry.trials import finish_trial
from nightloom.training.base import Trainer, Training, TrainingControl
from nightloom.training.distributed import count_processes, dismiss_followers, is_first, receive_control, share_control
from nightloom.training.dummy import train_dummy
from nightloom.training.loading import describe_device
from nightloom.training.sft import train_with_trl
from nightloom.trials.attempts import Attempt, begin_attempt
from nightloom.trials.budget import BudgetTracker
from nightloom.trials.lock import TrialLock

M = TypeVar("M", bound=Manifest)

logger = logging.getLogger(__name__)

TRAINERS: Mapping[str, Trainer] = {"trl": train_with_trl, "dummy": train_dummy}


def run_trial(blueprint_id: BlueprintId, trial_no: int, rung: int | None = None, halvings: int = 0) -> str:
    """Train in this process, to a rung of the blueprint's pruning or to the end: for a child process.

    Args:
        blueprint_id: The blueprint.
        trial_no: Number of the trial.
        rung: Number of the rung, or None for the end.
        halvings: Minimum number of times to halve the batch.

    Returns:
        The id of the rung's or the trial's cached result; empty for all processes but the first.
    """
    if not is_first():
        return follow_trial(open_store(), blueprint_id, trial_no)
    if rung is None:
        return train_trial(open_store(), blueprint_id, trial_no, halvings=halvings).id
    return train_to_rung(open_store(), blueprint_id, trial_no, rung, halvings=halvings).id


def find_trained(store: ObjectStore, blueprint_id: BlueprintId, trial_no: int, rung: int | None) -> str | None:
    """Return the id of the cached result of a trial at its end or at a rung, or None if the trial must be trained."""
    blueprint = store.load(Blueprint, blueprint_id).content
    if not 0 <= trial_no < len(blueprint.trials):
        return None
    key = identify_trial(blueprint, trial_no)
    if rung is None:
        made = store.find(Trial, key)
        return made.id if made else None
    rungs = blueprint.pruning.rungs if blueprint.pruning else ()
    reached = store.find(Rung, Rung.Key(trial=key, share=rungs[rung])) if rung < len(rungs) else None
    return reached.id if reached else None


def train_trial(
    store: ObjectStore, blueprint_id: BlueprintId, trial_no: int, database: Database | None = None, *, halvings: int = 0
) -> Trial:
    """Return a blueprint's trial: the cached result, or a new one, resumed from the last checkpoint.

    Args:
        store: Where everything is stored.
        blueprint_id: The blueprint.
        trial_no: Number of the trial.
        database: The registry, or None for that of the settings.
        halvings: Minimum number of times to halve the batch, because it did not fit in an earlier attempt.

    Raises:
        InputError: The blueprint plans no such trial, a setting is unknown, or the examples teach nothing.
        DivergenceError: Training diverged, now or in an earlier attempt.
        BudgetError: The blueprint's budget is spent; a checkpoint is saved to resume from.
        ConflictError: The lock was lost: this process hung for a minute, and another one trains the trial.
        OutOfMemoryError: The device's memory is too small. OutOfBatchMemoryError if several processes train together
            and half of the batch may fit.
        FaultError: The store, the registry or the disk failed; there may be a checkpoint to resume from.
    """
    task = _read_task(store, database, blueprint_id, trial_no, halvings)
    made = _find_or_make(task, Trial, task.key, lambda lock: _train_to_end(task, lock))
    finish_trial(task.database, made.id)
    return made


def follow_trial(store: ObjectStore, blueprint_id: BlueprintId, trial_no: int) -> str:
    """Train as one of several processes, together with the first, which publishes the result. The id is empty."""
    blueprint = store.load(Blueprint, blueprint_id).content
    if control := receive_control():
        plan = blueprint.trials[trial_no]
        with scratch_folder() as folder:
            TRAINERS[plan.trainer](store, blueprint, plan, folder, control)
    return ""


def train_to_rung(
    store: ObjectStore,
    blueprint_id: BlueprintId,
    trial_no: int,
    rung: int,
    database: Database | None = None,
    *,
    halvings: int = 0,
) -> Rung:
    """Return a trial's loss at a rung of the blueprint's pruning: the cached result, or a new one.

    Raises:
        InputError: The blueprint plans no such trial or rung, or as for `train_trial`.
        DivergenceError: As for `train_trial`.
        BudgetError: As for `train_trial`.
        ConflictError: As for `train_trial`.
        OutOfMemoryError: As for `train_trial`.
        FaultError: As for `train_trial`.
    """
    task = _read_task(store, database, blueprint_id, trial_no, halvings)
    rungs = task.blueprint.pruning.rungs if task.blueprint.pruning else ()
    if not 0 <= rung < len(rungs):
        msg = f"blueprint {short(blueprint_id)} plans {show_count(len(rungs), 'rung')}; {rung} is not one of them"
        raise InputError(msg)
    key = Rung.Key(trial=task.key, share=rungs[rung])
    return _find_or_make(task, Rung, key, lambda lock: _train_to_rung(task, lock, key))


def retrain_trial(store: ObjectStore, blueprint_id: BlueprintId, trial_no: int, folder: Path) -> Training:
    """Train a trial from the beginning, even if a result is cached, into a folder, and publish nothing.

    Raises:
        InputError: As for `train_trial`.
    """
    task = _read_task(store, None, blueprint_id, trial_no)
    return _require_end(task, TRAINERS[task.plan.trainer](store, task.blueprint, task.plan, folder, TrainingControl()))


@dataclass(frozen=True, slots=True)
class _Task:
    """A trial to train."""

    store: ObjectStore
    database: Database
    blueprint_id: BlueprintId
    blueprint: BlueprintSpec
    number: int
    key: TrialKey
    halvings: int

    @property
    def plan(self) -> TrialPlan:
        return self.blueprint.trials[self.number]


def _read_task(
    store: ObjectStore, database: Database | None, blueprint_id: BlueprintId, number: int, halvings: int = 0
) -> _Task:
    blueprint = store.load(Blueprint, blueprint_id).content
    if not 0 <= number < len(blueprint.trials):
        planned = show_count(len(blueprint.trials), "trial")
        msg = f"blueprint {short(blueprint_id)} plans {planned}; {number} is not one of them"
        raise InputError(msg)
    key = identify_trial(blueprint, number)
    return _Task(store, database or open_database(), blueprint_id, blueprint, number, key, halvings)


def _find_or_make(task: _Task, kind: type[M], key: Plain, make: Callable[[TrialLock], M]) -> M:
    if found := task.store.find(kind, key):
        logger.info("blueprint %s, trial %d: reusing its %s", short(task.blueprint_id), task.number, kind.kind)
        dismiss_followers()  # They wait for a control.
        return found
    if known := task.store.find(Divergence, task.key):
        raise DivergenceError(known.result.reason)
    lock = TrialLock(task.database, Trial.id_of(task.key))
    lock.acquire()
    try:
        # The process that held the lock before may have finished the trial.
        if found := task.store.find(kind, key):
            dismiss_followers()
            return found
        return make(lock)
    finally:
        lock.release()


def _train_to_end(task: _Task, lock: TrialLock) -> Trial:
    store, blueprint = task.store, task.blueprint
    with _begin_attempt(task, lock, halt=None) as (attempt, control), scratch_folder() as folder:
        result = TRAINERS[task.plan.trainer](store, blueprint, task.plan, folder, share_control(control))
        training = _require_end(task, result)
        seconds = attempt.seconds
        adapter = store.publish(
            Adapter(
                content=AdapterContent(base=blueprint.base, method=task.plan.method, files=put_folder(store, folder)),
                provenance=AdapterProvenance(blueprint=task.blueprint_id, trial=task.number),
            )
        )
        return store.publish(Trial(key=task.key, result=_account(adapter.id, training, seconds)))


def _require_end(task: _Task, result: Training | HeldOutLoss) -> Training:
    if not isinstance(result, Training):
        msg = f"trainer {task.plan.trainer!r} halted before the end of the training; fix the trainer"
        raise InputError(msg)
    return result


def _train_to_rung(task: _Task, lock: TrialLock, key: Rung.Key) -> Rung:
    with _begin_attempt(task, lock, halt=key.share) as (attempt, control), scratch_folder() as folder:
        held_out = TRAINERS[task.plan.trainer](task.store, task.blueprint, task.plan, folder, share_control(control))
        if isinstance(held_out, Training):
            msg = f"trainer {task.plan.trainer!r} cannot halt at a rung; remove train.trials.pruning"
            raise InputError(msg)
        attempt.flush()
        return task.store.publish(Rung(key=key, result=Rung.Result(held_out=held_out)))


def _begin_attempt(
    task: _Task, lock: TrialLock, halt: float | None
) -> AbstractContextManager[tuple[Attempt, TrainingControl]]:
    budget, device = task.blueprint.budget, "cpu" if task.plan.trainer == "dummy" else describe_device()
    trials = {Trial.id_of(identify_trial(task.blueprint, number)) for number in range(len(task.blueprint.trials))}
    return begin_attempt(
        task.store,
        task.database,
        task.key,
        lock,
        device=device,
        halt=halt,
        halvings=task.halvings,
        budget=BudgetTracker(budget, device, get_settings().prices) if budget else None,
        others=sorted(trials - {Trial.id_of(task.key)}),
    )


def _account(adapter_id: AdapterId, training: Training, seconds: float) -> TrialResult:
    return TrialResult(
        adapter=adapter_id,
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
        processes=count_processes(),
        adjustments=training.adjustments,
        changed_answers=training.changed_answers,
    )
