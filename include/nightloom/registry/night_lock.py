"""The night lock: one night of a recipe runs at a time, and the oldest waiting night is next.

Airflow's `max_active_runs` does not limit backfills. Nights must not run at the same time, because each takes clusters,
splits and limits from the night before.

The lock is a lease that belongs to the night and not to a process: the steps of a night run in many processes. It is
renewed while a step runs, released when the night has its report, and expires when no step has run for a while.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from nightloom.core.errors import NightBusyError, NightloomError
from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import LeaseRow

LASTS = timedelta(minutes=15)
"""How long a night keeps the lock while no step runs: longer than Airflow needs to start the next Dag."""

_WAITS = timedelta(minutes=3)
"""How long a waiting night keeps its position in the queue after its last attempt."""

_RENEWED_S = 60.0
_RUNNING, _WAITING = "running", "waiting"


def acquire_night_lock(database: Database, recipe: str, night: date) -> None:
    """Acquire the lock for a night, or renew it.

    Raises:
        NightBusyError: Another night of the recipe is running, or an older night is waiting.
    """
    now = utc_now().replace(tzinfo=None)
    key = night.isoformat()
    with database.transaction() as session:
        held = session.get(LeaseRow, (_scope(recipe, _RUNNING), _RUNNING), with_for_update=True)
        other = held.holder if held and held.holder != key and held.expires_at > now else None
        # A night that holds the lock keeps it, even if an older night is waiting.
        first = other or (None if held and held.holder == key else _find_older(session, recipe, key))
        if first is None:
            session.merge(LeaseRow(scope=_scope(recipe, _RUNNING), key=_RUNNING, holder=key, expires_at=now + LASTS))
            session.execute(sa.delete(LeaseRow).where(LeaseRow.scope == _scope(recipe, _WAITING), LeaseRow.key == key))
            return
        session.merge(LeaseRow(scope=_scope(recipe, _WAITING), key=key, holder=key, expires_at=now + _WAITS))
    msg = (
        f"night {first} of {recipe} is running, and only one night runs at a time; night {key} can run after it ends, "
        f"or {LASTS.seconds // 60} minutes after its last step"
    )
    raise NightBusyError(msg)


@contextmanager
def holding_night_lock(database: Database, recipe: str, night: date) -> Iterator[None]:
    """Hold the lock of a night for a block of any duration.

    Raises:
        NightBusyError: Another night holds the lock.
    """
    acquire_night_lock(database, recipe, night)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(_RENEWED_S):
            # A short outage of the registry is harmless: the lease lasts for many renewals.
            with suppress(NightloomError):
                acquire_night_lock(database, recipe, night)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def release_night_lock(database: Database, recipe: str, night: date) -> None:
    """Release the lock of a night; another night's lock is left unchanged."""
    with database.transaction() as session:
        session.execute(
            sa.delete(LeaseRow).where(
                LeaseRow.scope == _scope(recipe, _RUNNING),
                LeaseRow.key == _RUNNING,
                LeaseRow.holder == night.isoformat(),
            )
        )


def _find_older(session: Session, recipe: str, key: str) -> str | None:
    """Return the oldest waiting night, if it is older than this one, or None."""
    now = utc_now().replace(tzinfo=None)
    query = sa.select(sa.func.min(LeaseRow.key)).where(
        LeaseRow.scope == _scope(recipe, _WAITING), LeaseRow.key < key, LeaseRow.expires_at > now
    )
    return session.scalar(query)


def _scope(recipe: str, what: str) -> str:
    return f"night/{recipe}/{what}"
