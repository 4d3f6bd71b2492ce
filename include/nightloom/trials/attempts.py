"""Runs: one attempt at a trial, from the checkpoint that the last one left to where it halts.

A run tells the registry how far it is, keeps checkpoints, and stops before its blueprint's budget is exceeded.
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
from nightloom.registry.trials import begin_trial, go_on_from, read_trial, read_trials
from nightloom.training.base import Course
from nightloom.trials.budget import Purse
from nightloom.trials.checkpoints import Checkpoints, fetch_checkpoint
from nightloom.trials.heartbeat import Telling
from nightloom.trials.lock import Turn

_ROOM_S = 2.0
"""Seconds of a budget that are left over, for what nobody can foresee."""


class Run:
    """An attempt at a trial, as its trainer sees it: what it asks and tells after every step.

    Args:
        telling: Hears of every step, and knows the seconds.
        checkpoints: Take over what is saved.
        purse: What is left of the budget; none: there is no limit.
    """

    def __init__(self, telling: Telling, checkpoints: Checkpoints, purse: Purse | None) -> None:
        self._telling, self._checkpoints, self._purse = telling, checkpoints, purse
        self._asked = time.monotonic()
        self._has_begun = False
        self._longest_step = self._longest_save = 0.0

    @property
    def seconds(self) -> float:
        """What the trial has taken of devices, all attempts together."""
        return self._telling.seconds()

    def tell(self, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        """Leave word of a step.

        Raises:
            ConflictError: Another process trains the trial.
            BudgetError: The budget leaves no room for the first one.
        """
        self._telling.note(step, steps, metrics)
        if self._telling.lost:
            raise self._telling.lost
        if self._has_begun:
            return
        self._has_begun = True
        self._asked = time.monotonic()  # loading the model belongs to no step
        if self._purse and self._is_spent():
            raise self._purse.refusal(self.seconds)

    def is_due(self) -> bool:
        """Whether to save now: it is time for it, or all that is left of the budget is needed to save."""
        now = time.monotonic()
        self._longest_step, self._asked = max(self._longest_step, now - self._asked), now
        return self._is_spent() or self._checkpoints.is_due()

    def keep(self, folder: Path, step: int, halvings: int) -> None:
        """Take a checkpoint over, to be sent in the background.

        Raises:
            BudgetError: No more may be spent; the checkpoint is in the store.
            FaultError: No more may be spent, and the checkpoint could not be kept.
        """
        self._longest_save = max(self._longest_save, time.monotonic() - self._asked)
        is_last = self._is_spent()
        self._checkpoints.keep(folder, step, halvings)
        if self._purse and is_last:
            self._checkpoints.settle()
            raise self._purse.refusal(self.seconds)
        self._asked = time.monotonic()  # saving belongs to no step

    def settle(self) -> None:
        """Wait for the last checkpoint.

        Raises:
            FaultError: It could not be kept.
        """
        self._checkpoints.settle()

    def _is_spent(self) -> bool:
        if self._purse is None:
            return False
        save = self._longest_save + self._checkpoints.seconds
        needed = 2 * (self._longest_step + save) + _ROOM_S
        return self._purse.left(self.seconds) <= needed * self._telling.devices


@contextmanager
def open_run(
    store: ObjectStore,
    database: Database,
    identity: TrialKey,
    turn: Turn,
    *,
    device: str,
    halt: float | None = None,
    halvings: int = 0,
    purse: Purse | None = None,
    others: Sequence[TrialId] = (),
) -> Iterator[tuple[Run, Course]]:
    """Begin an attempt at a trial, and give it with the course that its trainer follows.

    Args:
        store: Where checkpoints are.
        database: The registry.
        identity: The trial.
        turn: Was taken.
        device: What it runs on.
        halt: Share of the training after which to halt; none: at the end.
        halvings: How often the batch is halved at least.
        purse: The budget; none: there is no limit.
        others: The other trials that the budget is for.

    Raises:
        BudgetError: Nothing is left of the budget.
        FaultError: The store or the registry did not answer.
    """
    started = time.monotonic()
    trial = Trial.id_of(identity)
    before = read_trial(database, trial)
    count_others = _count(database, purse, others)
    count_others()
    if purse and purse.left(before.seconds if before else 0.0) <= 0:
        raise purse.refusal(before.seconds if before else 0.0)
    with ExitStack() as stack:
        # Before the checkpoint is fetched: that may take longer than a turn that nobody renews.
        begun = begin_trial(database, trial, device=device)
        telling = stack.enter_context(Telling(database, turn, begun, started, count_others))
        folder = stack.enter_context(scratch_folder())
        found = fetch_checkpoint(store, begun.checkpoint, identity, folder / "begun") if begun.checkpoint else None
        if found and found.key.halvings < halvings:
            found = None  # its batch did not fit
        at = found.key if found else None
        telling.note(at.step if at else 0, begun.steps, {})
        go_on_from(database, trial, at.step if at else 0, found.id if found else None)
        every = get_settings().checkpoint_seconds
        checkpoints = stack.enter_context(
            Checkpoints(store, database, identity, folder, every=every, clock=telling.seconds)
        )
        run = Run(telling, checkpoints, purse)
        course = Course(
            checkpoint=folder / "begun" if found else None,
            halvings=at.halvings if at else halvings,
            halt=halt,
            tell=run.tell,
            is_due=run.is_due,
            keep=run.keep,
        )
        yield run, course


def _count(database: Database, purse: Purse | None, others: Sequence[TrialId]) -> Callable[[], None]:
    def count() -> None:
        if purse:
            purse.note_others(read_trials(database, others))

    return count
