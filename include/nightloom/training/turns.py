"""Turns: one process trains a trial at a time, by a lease that is renewed for as long as it lives."""

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta

from nightloom.artifacts.folders import is_alive
from nightloom.core.digests import short
from nightloom.core.errors import ConflictError
from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.leases import Lease, drop_lease, read_lease, take_lease
from nightloom.registry.trials import read_trial

_SCOPE = "trial"
_DURATION = timedelta(seconds=60)
_LOOK_S = 1.0


class Turn:
    """The turn of this process at a trial."""

    def __init__(self, database: Database, trial: str) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self._database, self._trial = database, trial

    def take(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Take the turn; that of a dead process of this machine at once, of another machine when it runs out.

        Raises:
            ConflictError: Another process trains the trial: it lives here, or renews its lease.
        """
        seen: Lease | None = None
        while not self.renew():
            lease = read_lease(self._database, _SCOPE, self._trial)
            if lease is None:
                continue
            host, _, process = lease.holder.rpartition(":")
            is_here = host == socket.gethostname()
            if is_here and not is_alive(int(process)):
                drop_lease(self._database, _SCOPE, self._trial, lease.holder)
            elif is_here or (seen and lease != seen):
                raise self._conflict(lease.holder)
            else:
                wait(min(_LOOK_S, max(0.0, (lease.expires_at - utc_now()).total_seconds())))
            seen = lease

    def renew(self) -> bool:
        """Hold on for another minute; tell whether the turn is still, or now, this process's."""
        return take_lease(self._database, _SCOPE, [self._trial], self.holder, _DURATION) is not None

    def end(self) -> None:
        """Let others in."""
        drop_lease(self._database, _SCOPE, self._trial, self.holder)

    def lost(self) -> ConflictError:
        """Give the error that says who trains the trial instead."""
        lease = read_lease(self._database, _SCOPE, self._trial)
        return self._conflict(lease.holder if lease else "nobody any more")

    def _conflict(self, holder: str) -> ConflictError:
        progress = read_trial(self._database, self._trial)
        told = f" since {progress.started_at:%Y-%m-%d %H:%M:%S} UTC" if progress else ""
        return ConflictError(
            f"trial {short(self._trial)} is trained by {holder}{told}; it trains once, so wait for that, or end it"
        )
