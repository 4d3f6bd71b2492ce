"""Trial lock: one process at a time trains a trial, by a lease that is renewed while the process lives."""

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
_POLL_S = 2.0


class TrialLock:
    """This process's lock on a trial."""

    def __init__(self, database: Database, trial_id: TrialId) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self._database, self._trial = database, trial_id

    def acquire(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Acquire the lock, and wait while another process holds it.

        The lock of a dead process is taken over at once on the same machine, and when it expires on another one.
        """
        logged = None
        while not self.renew():
            lease = read_lease(self._database, _SCOPE, self._trial)
            if lease is None:
                continue  # Released meanwhile: try again at once.
            host, _, process = lease.holder.rpartition(":")
            if host == socket.gethostname() and not is_alive(int(process)):
                drop_lease(self._database, _SCOPE, self._trial, lease.holder)
                continue
            if logged != lease.holder:
                logger.info("trial %s: waiting for %s", short(self._trial), self._describe(lease.holder))
                logged = lease.holder
            wait(_POLL_S)

    def renew(self) -> bool:
        """Acquire or extend the lock for another minute, and return whether this process holds it."""
        return take_lease(self._database, _SCOPE, [self._trial], self.holder, _DURATION) is not None

    def release(self) -> None:
        """Release the lock."""
        drop_lease(self._database, _SCOPE, self._trial, self.holder)

    def lost_error(self) -> ConflictError:
        """Return the error for a lost lock, which names the new holder."""
        lease = read_lease(self._database, _SCOPE, self._trial)
        holder = self._describe(lease.holder) if lease else "another process, which has released it"
        msg = f"this process lost the lock of trial {short(self._trial)} to {holder}; a trial is trained only once"
        return ConflictError(msg)

    def _describe(self, holder: str) -> str:
        progress = read_trial(self._database, self._trial)
        since = f" since {progress.started_at:%Y-%m-%d %H:%M:%S} UTC" if progress else ""
        return f"{holder}, which has been training this trial{since}"
