"""Releases: rows that a person released from a rule, and from which night on. They contain no row text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from nightloom.artifacts.data import Preparation
from nightloom.artifacts.ids import PreparationId
from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import NightRow, ReleaseRow

if TYPE_CHECKING:
    import polars as pl

DecidedRow = tuple[str, str, str]
"""Row id, version, and the rule that decided its outcome or the operation that changed it."""


@dataclass(frozen=True, slots=True)
class Release:
    """The release of a row version from one rule."""

    row_id: str
    version: str
    rule: str
    preparation: PreparationId  # of the night that refused the row
    from_night: date
    who: str
    why: str
    released_at: datetime


def record_releases(
    database: Database, recipe: str, rows: Sequence[DecidedRow], *, preparation_id: PreparationId, who: str, why: str
) -> list[Release]:
    """Record releases, effective from the night after the latest opened one; existing ones are unchanged.

    So opened nights give the same result when they run again.
    """
    with database.transaction() as session:
        latest = session.scalar(sa.select(sa.func.max(NightRow.night)).where(NightRow.recipe == recipe))
        fresh = {"preparation": preparation_id, "from_night": (latest or utc_now().date()) + timedelta(days=1)}
        released = []
        for row_id, version, rule in rows:
            row = session.get(ReleaseRow, (recipe, row_id, version, rule))
            if row is None:
                now = utc_now().replace(tzinfo=None)
                named = {"recipe": recipe, "row_id": row_id, "version": version, "rule": rule}
                row = ReleaseRow(**named, **fresh, who=who, why=why, released_at=now)
                session.add(row)
            released.append(_as_release(row))
    return released


def list_releases(database: Database, recipe: str) -> list[Release]:
    """Return all releases of a recipe, sorted by row, version and rule."""
    query = (
        sa.select(ReleaseRow)
        .where(ReleaseRow.recipe == recipe)
        .order_by(ReleaseRow.row_id, ReleaseRow.version, ReleaseRow.rule)
    )
    with database.transaction() as session:
        return [_as_release(row) for row in session.scalars(query)]


def read_releases(database: Database, recipe: str, night: date) -> "pl.DataFrame":
    """Return the releases in effect on a night, as a RELEASES frame sorted by all columns."""
    import polars as pl

    from nightloom.artifacts.frames import RELEASES

    effective = [one for one in list_releases(database, recipe) if one.from_night <= night]
    lines = [(one.row_id, one.version, one.rule) for one in effective]
    return pl.DataFrame(lines, RELEASES, orient="row").sort(list(RELEASES))


def _as_release(row: ReleaseRow) -> Release:
    return Release(
        row_id=row.row_id,
        version=row.version,
        rule=row.rule,
        preparation=Preparation.as_id(row.preparation),
        from_night=row.from_night,
        who=row.who,
        why=row.why,
        released_at=row.released_at.replace(tzinfo=UTC),
    )
