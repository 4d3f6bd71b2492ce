"""Erasures: erased rows, by the digest of their ids, so that no night takes them in again."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from nightloom.artifacts.ids import AdapterId
from nightloom.core.digests import digest_bytes
from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import ErasureRow, ReleaseRow


@dataclass(frozen=True, slots=True)
class Erasure:
    """The erasure of a row. An unfinished one was killed, and must be run again."""

    recipe: str
    row_digest: str
    adapters: tuple[AdapterId, ...]  # trained on the row
    who: str
    why: str
    erased_at: datetime
    finished_at: datetime | None


def begin_erasure(
    database: Database, recipe: str, row_id: str, *, adapters: Collection[AdapterId], who: str, why: str
) -> None:
    """Record that a row is being erased, before anything is; its releases are deleted.

    A repeated call keeps who, why and when, and adds the adapters found since.
    """
    key = (recipe, digest_bytes(row_id.encode()))
    with database.transaction() as session:
        row = session.get(ErasureRow, key, with_for_update=True)
        if row is None:
            now = utc_now().replace(tzinfo=None)
            row = ErasureRow(recipe=recipe, row_digest=key[1], adapters="[]", who=who, why=why, erased_at=now)
            session.add(row)
        row.adapters = json.dumps(sorted({*json.loads(row.adapters), *adapters}))
        row.finished_at = None
        session.execute(sa.delete(ReleaseRow).where(ReleaseRow.recipe == recipe, ReleaseRow.row_id == row_id))


def finish_erasure(database: Database, recipe: str, row_id: str) -> None:
    """Record that a row is completely erased."""
    with database.transaction() as session:
        row = session.get(ErasureRow, (recipe, digest_bytes(row_id.encode())))
        if row is not None:
            row.finished_at = utc_now().replace(tzinfo=None)


def find_erasure(database: Database, recipe: str, row_id: str) -> Erasure | None:
    """Return the erasure of a row, or None."""
    with database.transaction() as session:
        row = session.get(ErasureRow, (recipe, digest_bytes(row_id.encode())))
        return None if row is None else _as_erasure(row)


def list_erasures(database: Database, recipe: str) -> list[Erasure]:
    """Return the erasures of a recipe, oldest first."""
    query = sa.select(ErasureRow).where(ErasureRow.recipe == recipe).order_by(ErasureRow.erased_at)
    with database.transaction() as session:
        return [_as_erasure(row) for row in session.scalars(query)]


def read_erasures(database: Database, recipe: str) -> frozenset[str]:
    """Return the SHA-256 of the id of each erased row."""
    return frozenset(one.row_digest for one in list_erasures(database, recipe))


def _as_erasure(row: ErasureRow) -> Erasure:
    return Erasure(
        recipe=row.recipe,
        row_digest=row.row_digest,
        adapters=tuple(json.loads(row.adapters)),
        who=row.who,
        why=row.why,
        erased_at=row.erased_at.replace(tzinfo=UTC),
        finished_at=row.finished_at.replace(tzinfo=UTC) if row.finished_at else None,
    )
