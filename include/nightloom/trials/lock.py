"""Turns: one process trains a trial at a time, by a lease that is renewed for as long as it lives."""

import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta

from nightloom.artifacts.ids import TrialId
from nightloom.core.digests import short
from nightloom.core.errors import ConflictError
from nightloom.core.scratch import is_alive
from nightloom.registry.database import Database
from nightloom.registry.leases import drop_lease, read_lease, take_lease
from nightloom.registry.trials import read_trial

logger = logging.getLogger(__name__)

_SCOPE = "trial"
_DURATION = timedelta(seconds=60)
_LOOK_S = 2.0


class Turn:
    """The turn of this process at a trial."""

    def __init__(self, database: Database, trial_id: TrialId) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self._database, self._trial = database, trial_id

    def take(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Take the turn, once whoever has it is done: that it trains the same is no reason to fail.

        That of a dead process of this machine is taken at once, of another machine when it runs out.
        """
        told = None
        while not self.renew():
            lease = read_lease(self._database, _SCOPE, self._trial)
            if lease is None:
                continue
            host, _, process = lease.holder.rpartition(":")
            if host == socket.gethostname() and not is_alive(int(process)):
                drop_lease(self._database, _SCOPE, self._trial, lease.holder)
                continue
            if told != lease.holder:
                logger.info("%s, which is waited for", self._describe(lease.holder))
                told = lease.holder
            wait(_LOOK_S)

    def renew(self) -> bool:
        """Hold on for another minute; tell whether the turn is still, or now, this process's."""
        return take_lease(self._database, _SCOPE, [self._trial], self.holder, _DURATION) is not None

    def end(self) -> None:
        """Let others in."""
        drop_lease(self._database, _SCOPE, self._trial, self.holder)

    def lost(self) -> ConflictError:
        """Return the error that says who trains the trial instead."""
        lease = read_lease(self._database, _SCOPE, self._trial)
        return ConflictError(f"{self._describe(lease.holder if lease else 'nobody any more')}; it trains once")

    def _describe(self, holder: str) -> str:
        progress = read_trial(self._database, self._trial)
        told = f" since {progress.started_at:%Y-%m-%d %H:%M:%S} UTC" if progress else ""
        return f"trial {short(self._trial)} is trained by {holder}{told}"
