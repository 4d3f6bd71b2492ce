"""Cuts: what a stage of a night reads of its source. Committed cuts of a stage do not overlap.

A cut begins where the newest committed one ends, so what skipped, missed, refused and failed nights left is read by the
next night. A stage commits its cut when it is done, in the transaction that records its outcome.
"""

from datetime import UTC, date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from nightloom.core.nights import NightCut
from nightloom.core.stages import Stage
from nightloom.registry.database import Database
from nightloom.registry.tables import CutRow


def open_cut(database: Database, stage: Stage, planned: NightCut) -> NightCut:
    """Record the cut of a stage of a night, and return it.

    A committed cut stays. Until then its begin is computed again, as earlier nights may have been committed. Its end
    stays. It is empty if a later night has committed what it would read.

    Args:
        database: The registry.
        stage: The stage.
        planned: The night. Its cut begins as planned if it is the first one of the stage.
    """
    with database.transaction() as session:
        return record_cut(session, stage, planned)


def record_cut(session: Session, stage: Stage, planned: NightCut) -> NightCut:
    """Record the cut of a stage of a night in a transaction, and return it; see `open_cut`."""
    key = (planned.recipe, stage, planned.night)
    row = session.get(CutRow, key)
    if row is None:
        row = CutRow(
            **dict(zip(("recipe", "stage", "night"), key, strict=True)),
            cut_from=_naive(planned.cut_from),
            cut_to=_naive(planned.cut_to),
            is_committed=False,
        )
        session.add(row)
    if not row.is_committed:
        row.cut_from = _find_begin(session, row)
    return _as_cut(row)


def commit_cut(session: Session, recipe: str, stage: str, night: date) -> None:
    """Mark the cut of a stage of a night as committed, if there is one."""
    row = session.get(CutRow, (recipe, stage, night))
    if row is not None:
        row.is_committed = True


def read_cut(database: Database, recipe: str, stage: Stage, night: date) -> NightCut | None:
    """Return the recorded cut of a stage of a night, or None."""
    with database.reading() as session:
        row = session.get(CutRow, (recipe, stage, night))
        return None if row is None else _as_cut(row)


def explain_taken(database: Database, stage: Stage, cut: NightCut) -> str | None:
    """Return which later night has read the rows of a stage's cut, and what to do, or None if they are its own."""
    if not cut.is_empty:
        return None
    query = (
        sa.select(sa.func.min(CutRow.night))
        .where(CutRow.recipe == cut.recipe, CutRow.stage == stage, CutRow.night != cut.night, CutRow.is_committed)
        .where(CutRow.cut_from < _naive(cut.cut_to), CutRow.cut_to >= _naive(cut.cut_to))
    )
    with database.reading() as session:
        reader = session.scalar(query)
    return (
        f"night {reader} has read the rows of this night: `nightloom night show {cut.recipe} --night {reader}` shows "
        f"its result, and `nightloom run {cut.recipe} --night {reader}` makes it again"
    )


def _find_begin(session: Session, row: CutRow) -> datetime:
    of_stage = (CutRow.recipe == row.recipe) & (CutRow.stage == row.stage)
    holds_end = CutRow.is_committed & (CutRow.cut_from < row.cut_to) & (CutRow.cut_to > row.cut_to)
    if session.scalar(sa.select(CutRow.night).where(of_stage, holds_end).limit(1)):
        return row.cut_to
    before = of_stage & (CutRow.cut_to <= row.cut_to)
    committed: datetime | None = session.scalar(
        sa.select(sa.func.max(CutRow.cut_to)).where(before, CutRow.is_committed)
    )
    if committed is not None:
        return committed
    # Nothing is committed before it: it takes what all earlier nights were to read.
    opened: datetime | None = session.scalar(sa.select(sa.func.min(CutRow.cut_from)).where(before))
    return row.cut_from if opened is None else min(row.cut_from, opened)


def _as_cut(row: CutRow) -> NightCut:
    return NightCut(row.recipe, row.night, row.cut_from.replace(tzinfo=UTC), row.cut_to.replace(tzinfo=UTC))


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
