"""Telling: the registry hears every few seconds how far a trial is, from a thread of its own.

A step of the training only leaves word here: a registry that is slow or away for a while holds up nothing. What could
not be told is told the next time, and at the end it must be.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Self

from nightloom.core.errors import ConflictError, NightloomError
from nightloom.registry.database import Database
from nightloom.registry.trials import MetricPoint, TrialProgress, tell_trial
from nightloom.training.distributed import count_processes
from nightloom.trials.lock import Turn

logger = logging.getLogger(__name__)

_EVERY_S = 5.0


class Telling:
    """Tells the registry of one trial, and holds on to its turn.

    Args:
        database: The registry.
        turn: That this process has taken.
        begun: Where the trial stood when this attempt began.
        started: When that was, on the monotonic clock.
        listen: Is called whenever the registry was told, in the same thread.
    """

    def __init__(
        self, database: Database, turn: Turn, begun: TrialProgress, started: float, listen: Callable[[], None]
    ) -> None:
        self._database, self._turn, self._begun, self._started = database, turn, begun, started
        self._listen = listen
        self.devices = count_processes()
        """How many work on the trial together: each process has one."""
        self._step, self._steps = begun.step, begun.steps
        self._metrics: list[MetricPoint] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell_on, name="telling", daemon=True)
        self.lost: ConflictError | None = None
        """Why this process must end: another one trains the trial."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if kind is None:
            self._tell()
        else:
            self._try_to_tell()

    def seconds(self) -> float:
        """Return what the trial has taken of devices, all attempts together."""
        return self._begun.seconds + (time.monotonic() - self._started) * self.devices

    def note(self, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        """Leave word of a step."""
        with self._lock:
            self._step, self._steps = step, steps
            self._metrics += [MetricPoint(name, step, value) for name, value in metrics.items()]

    def _tell_on(self) -> None:
        while not self._ended.wait(_EVERY_S) and self.lost is None:
            self._try_to_tell()

    def _try_to_tell(self) -> None:
        try:
            self._tell()
            self._listen()
        except NightloomError as error:
            logger.warning("the registry was not told how far training is: %s", error)

    def _tell(self) -> None:
        if not self._turn.renew():
            self.lost = self._turn.lost()
            return
        with self._lock:
            step, steps, metrics, self._metrics = self._step, self._steps, self._metrics, []
        try:
            tell_trial(
                self._database, self._begun.trial, step=step, steps=steps, seconds=self.seconds(), metrics=metrics
            )
        except NightloomError:
            with self._lock:
                self._metrics = metrics + self._metrics
            raise
