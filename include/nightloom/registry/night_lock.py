"""Turns: one night of a recipe at a time, whoever began it, and the oldest of those that wait comes next.

Airflow's `max_active_runs` does not bind backfills. Nights that ran at once would not see each other: clusters, splits
and limits are taken over from the night before.

The lease belongs to the night and not to a process, since the steps of a night run in many. It is renewed while a step
runs, given back when the night has its report, and runs out when nothing of the night has run for a while.
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
"""How long a night keeps its turn when none of its steps runs: more than it takes Airflow to begin the next Dag."""

_WAITS = timedelta(minutes=3)
"""How long a night that waits is waited for itself, after it has asked last."""

_RENEWED_S = 60.0
_RUNNING, _WAITING = "running", "waiting"


def acquire_night_lock(database: Database, recipe: str, night: date) -> None:
    """Take the turn of a night, or keep it.

    Raises:
        NightBusyError: Another night of the recipe runs, or an older one has waited for longer.
    """
    now = utc_now().replace(tzinfo=None)
    key = night.isoformat()
    with database.transaction() as session:
        held = session.get(LeaseRow, (_scope(recipe, _RUNNING), _RUNNING), with_for_update=True)
        other = held.holder if held and held.holder != key and held.expires_at > now else None
        # A night that has its turn keeps it, though an older one has come since.
        first = other or (None if held and held.holder == key else _find_older(session, recipe, key))
        if first is None:
            session.merge(LeaseRow(scope=_scope(recipe, _RUNNING), key=_RUNNING, holder=key, expires_at=now + LASTS))
            session.execute(sa.delete(LeaseRow).where(LeaseRow.scope == _scope(recipe, _WAITING), LeaseRow.key == key))
            return
        session.merge(LeaseRow(scope=_scope(recipe, _WAITING), key=key, holder=key, expires_at=now + _WAITS))
    msg = (
        f"night {first} of {recipe} runs, and nights take turns; night {key} goes on after it, at the latest "
        f"{LASTS.seconds // 60} minutes after its last step"
    )
    raise NightBusyError(msg)


@contextmanager
def holding_night_lock(database: Database, recipe: str, night: date) -> Iterator[None]:
    """Keep the turn of a night for a block, however long it takes.

    Raises:
        NightBusyError: The turn is another night's.
    """
    acquire_night_lock(database, recipe, night)
    over = threading.Event()

    def renew() -> None:
        while not over.wait(_RENEWED_S):
            # A registry that is away for a moment is asked again: the lease outlasts many of these.
            with suppress(NightloomError):
                acquire_night_lock(database, recipe, night)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def release_night_lock(database: Database, recipe: str, night: date) -> None:
    """Let the next night have its turn; another night's turn is left alone."""
    with database.transaction() as session:
        session.execute(
            sa.delete(LeaseRow).where(
                LeaseRow.scope == _scope(recipe, _RUNNING),
                LeaseRow.key == _RUNNING,
                LeaseRow.holder == night.isoformat(),
            )
        )


def _find_older(session: Session, recipe: str, key: str) -> str | None:
    """Return the oldest night that waits, if it is older than this one, or None."""
    now = utc_now().replace(tzinfo=None)
    query = sa.select(sa.func.min(LeaseRow.key)).where(
        LeaseRow.scope == _scope(recipe, _WAITING), LeaseRow.key < key, LeaseRow.expires_at > now
    )
    return session.scalar(query)


def _scope(recipe: str, what: str) -> str:
    return f"night/{recipe}/{what}"
