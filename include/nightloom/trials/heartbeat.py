"""Heartbeat: reports a trial's progress to the registry every few seconds, from a thread of its own.

A training step only records its progress here, so a slow or unreachable registry does not hold up training. What could
not be reported is reported with the next heartbeat, and the last one must succeed.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Self

from nightloom.core.errors import ConflictError, NightloomError
from nightloom.registry.database import Database
from nightloom.registry.trials import MetricPoint, TrialProgress, record_progress
from nightloom.training.distributed import count_processes
from nightloom.trials.lock import TrialLock

logger = logging.getLogger(__name__)

_EVERY_S = 5.0


class Heartbeat:
    """Reports one trial's progress to the registry, and renews its lock.

    Args:
        database: The registry.
        lock: The trial's lock, which this process holds.
        begun: Progress of the trial when this attempt began.
        started: When the attempt began, on the monotonic clock.
        on_beat: Called after each heartbeat, in the same thread.
    """

    def __init__(
        self, database: Database, lock: TrialLock, begun: TrialProgress, started: float, on_beat: Callable[[], None]
    ) -> None:
        self._database, self._trial_lock, self._begun, self._started = database, lock, begun, started
        self._on_beat = on_beat
        self.devices = count_processes()
        """Number of devices on the trial: one per process."""
        self._step, self._steps = begun.step, begun.steps
        self._metrics: list[MetricPoint] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.lost: ConflictError | None = None
        """Why this process must stop: another one trains the trial. None while this process holds the lock."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if kind is None:
            self._beat()
        else:
            self._try_to_beat()

    def seconds(self) -> float:
        """Return the device seconds of the trial, all attempts together."""
        return self._begun.seconds + (time.monotonic() - self._started) * self.devices

    def record(self, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        """Record a step for the next heartbeat."""
        with self._lock:
            self._step, self._steps = step, steps
            self._metrics += [MetricPoint(name, step, value) for name, value in metrics.items()]

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S) and self.lost is None:
            self._try_to_beat()

    def _try_to_beat(self) -> None:
        try:
            self._beat()
            self._on_beat()
        except NightloomError as error:
            logger.warning("progress could not be reported to the registry: %s", error)

    def _beat(self) -> None:
        if not self._trial_lock.renew():
            self.lost = self._trial_lock.lost_error()
            return
        with self._lock:
            step, steps, metrics, self._metrics = self._step, self._steps, self._metrics, []
        try:
            record_progress(
                self._database, self._begun.trial, step=step, steps=steps, seconds=self.seconds(), metrics=metrics
            )
        except NightloomError:
            # Kept for the next heartbeat, in front of newer metrics.
            with self._lock:
                self._metrics = metrics + self._metrics
            raise
