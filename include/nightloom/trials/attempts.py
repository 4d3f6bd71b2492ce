"""Attempts: one try at a trial, from the last checkpoint to the point where training halts.

An attempt reports progress to the registry, saves checkpoints, and stops before its blueprint's budget is exceeded.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nightloom.artifacts.ids import TrialId
from nightloom.artifacts.training import Trial, TrialKey
from nightloom.core.scratch import scratch_folder
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.trials import begin_trial, read_trial, read_trials, resume_trial
from nightloom.training.base import TrainingControl
from nightloom.trials.budget import BudgetTracker
from nightloom.trials.checkpoints import Checkpoints, fetch_checkpoint
from nightloom.trials.heartbeat import Heartbeat
from nightloom.trials.lock import TrialLock

_RESERVE_S = 2.0
"""Seconds of a budget that are never planned for: a reserve for what cannot be foreseen."""


class Attempt:
    """An attempt at a trial: the callbacks of its trainer.

    Args:
        heartbeat: Receives every step, and counts the seconds.
        checkpoints: Uploads what is saved.
        budget: What may still be spent, or None for no limit.
    """

    def __init__(self, heartbeat: Heartbeat, checkpoints: Checkpoints, budget: BudgetTracker | None) -> None:
        self._heartbeat, self._checkpoints, self._budget = heartbeat, checkpoints, budget
        self._asked = time.monotonic()
        self._has_begun = False
        self._longest_step = self._longest_save = 0.0

    @property
    def seconds(self) -> float:
        """Device seconds of the trial, all attempts together."""
        return self._heartbeat.seconds()

    def on_step(self, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        """Record a step for the next heartbeat.

        Raises:
            ConflictError: Another process trains the trial.
            BudgetError: The budget does not allow a first step.
        """
        self._heartbeat.record(step, steps, metrics)
        if self._heartbeat.lost:
            raise self._heartbeat.lost
        if self._has_begun:
            return
        self._has_begun = True
        self._asked = time.monotonic()  # Loading the model does not count as a step.
        if self._budget and self._is_spent():
            raise self._budget.exceeded(self.seconds)

    def is_save_due(self) -> bool:
        """Whether to save now: a checkpoint is due, or what is left of the budget is needed for saving."""
        now = time.monotonic()
        self._longest_step, self._asked = max(self._longest_step, now - self._asked), now
        return self._is_spent() or self._checkpoints.is_due()

    def on_save(self, folder: Path, step: int, halvings: int) -> None:
        """Upload a checkpoint in the background.

        Raises:
            BudgetError: The budget is spent; the checkpoint is in the store.
            FaultError: The budget is spent, and the checkpoint could not be uploaded.
        """
        self._longest_save = max(self._longest_save, time.monotonic() - self._asked)
        is_last = self._is_spent()
        self._checkpoints.save(folder, step, halvings)
        if self._budget and is_last:
            self._checkpoints.flush()
            raise self._budget.exceeded(self.seconds)
        self._asked = time.monotonic()  # Saving does not count as part of a step.

    def flush(self) -> None:
        """Wait until the last checkpoint is uploaded.

        Raises:
            FaultError: The upload failed.
        """
        self._checkpoints.flush()

    def _is_spent(self) -> bool:
        """Whether the rest of the budget is too small for one more step and a checkpoint of it."""
        if self._budget is None:
            return False
        save = self._longest_save + self._checkpoints.seconds
        # Twice the longest so far, because the next step or save may be slower.
        needed = 2 * (self._longest_step + save) + _RESERVE_S
        return self._budget.left(self.seconds) <= needed * self._heartbeat.devices


@contextmanager
def begin_attempt(
    store: ObjectStore,
    database: Database,
    identity: TrialKey,
    lock: TrialLock,
    *,
    device: str,
    halt: float | None = None,
    halvings: int = 0,
    budget: BudgetTracker | None = None,
    others: Sequence[TrialId] = (),
) -> Iterator[tuple[Attempt, TrainingControl]]:
    """Begin an attempt at a trial, and yield it with the controls for its trainer.

    Args:
        store: Where checkpoints are.
        database: The registry.
        identity: The trial.
        lock: The trial's lock, which this process holds.
        device: What the attempt runs on.
        halt: Share of the training after which to halt, or None for the end.
        halvings: Minimum number of times to halve the batch.
        budget: The budget, or None for no limit.
        others: The other trials that share the budget.

    Raises:
        BudgetError: The budget is spent.
        FaultError: The store or the registry did not respond.
    """
    started = time.monotonic()
    trial = Trial.id_of(identity)
    before = read_trial(database, trial)
    count_others = _count(database, budget, others)
    count_others()
    if budget and budget.left(before.seconds if before else 0.0) <= 0:
        raise budget.exceeded(before.seconds if before else 0.0)
    with ExitStack() as stack:
        # The heartbeat starts before the checkpoint is fetched: a long download would let the lock run out.
        begun = begin_trial(database, trial, device=device)
        heartbeat = stack.enter_context(Heartbeat(database, lock, begun, started, count_others))
        folder = stack.enter_context(scratch_folder())
        found = fetch_checkpoint(store, begun.checkpoint, identity, folder / "begun") if begun.checkpoint else None
        if found and found.key.halvings < halvings:
            found = None  # Its batch did not fit.
        at = found.key if found else None
        heartbeat.record(at.step if at else 0, begun.steps, {})
        resume_trial(database, trial, at.step if at else 0, found.id if found else None)
        every = get_settings().checkpoint_seconds
        checkpoints = stack.enter_context(
            Checkpoints(store, database, identity, folder, every=every, clock=heartbeat.seconds)
        )
        attempt = Attempt(heartbeat, checkpoints, budget)
        control = TrainingControl(
            checkpoint=folder / "begun" if found else None,
            halvings=at.halvings if at else halvings,
            halt=halt,
            on_step=attempt.on_step,
            is_save_due=attempt.is_save_due,
            on_save=attempt.on_save,
        )
        yield attempt, control


def _count(database: Database, budget: BudgetTracker | None, others: Sequence[TrialId]) -> Callable[[], None]:
    def count() -> None:
        if budget:
            budget.update_others(read_trials(database, others))

    return count
