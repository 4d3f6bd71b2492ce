"""Leases: exclusive, expiring claims on keys, each with its holder."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete

from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import LeaseRow


@dataclass(frozen=True, slots=True)
class Lease:
    """The holder of a key, and when the lease expires."""

    holder: str
    expires_at: datetime


def take_lease(database: Database, scope: str, keys: Sequence[str], holder: str, duration: timedelta) -> str | None:
    """Lease the first free key and return it, or None if all are held."""
    now = utc_now().replace(tzinfo=None)
    with database.transaction() as session:
        for key in keys:
            row = session.get(LeaseRow, (scope, key), with_for_update=True)
            if row is None or row.expires_at <= now or row.holder == holder:
                session.merge(LeaseRow(scope=scope, key=key, holder=holder, expires_at=now + duration))
                return key
    return None


def read_lease(database: Database, scope: str, key: str) -> Lease | None:
    """Return the lease of a key, which may have expired, or None if there is none."""
    with database.transaction() as session:
        row = session.get(LeaseRow, (scope, key))
        return None if row is None else Lease(row.holder, row.expires_at.replace(tzinfo=UTC))


def drop_lease(database: Database, scope: str, key: str, holder: str) -> None:
    """Delete a holder's lease; another holder's is left unchanged."""
    with database.transaction() as session:
        session.execute(delete(LeaseRow).where(LeaseRow.scope == scope, LeaseRow.key == key, LeaseRow.holder == holder))
