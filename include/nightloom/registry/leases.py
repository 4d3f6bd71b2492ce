"""Leases: who works on something, and until when nobody else may."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete

from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import LeaseRow


def take_lease(database: Database, scope: str, keys: Sequence[str], holder: str, duration: timedelta) -> str | None:
    """Take the first of the keys that nobody holds, and give it; nothing when all are held."""
    now = utc_now().replace(tzinfo=None)
    with database.transaction() as session:
        for key in keys:
            row = session.get(LeaseRow, (scope, key), with_for_update=True)
            if row is None or row.expires_at <= now or row.holder == holder:
                session.merge(LeaseRow(scope=scope, key=key, holder=holder, expires_at=now + duration))
                return key
    return None


def drop_lease(database: Database, scope: str, key: str, holder: str) -> None:
    """Give a lease back; another holder's is left alone."""
    with database.transaction() as session:
        session.execute(delete(LeaseRow).where(LeaseRow.scope == scope, LeaseRow.key == key, LeaseRow.holder == holder))
