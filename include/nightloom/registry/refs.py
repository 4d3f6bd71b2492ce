"""Refs: the few pointers that move, by compare-and-swap, each move a line of a hash-chained log."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from nightloom.core.digests import digest_json, short
from nightloom.core.errors import ConflictError, RegistryError
from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import RefMoveRow, RefRow

_GENESIS = "0" * 64
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class RefMove:
    """One line of the log.

    Attributes:
        cites: Id of the manifest on which the move rests: of a champion, a verdict or an import.
        by_hand: A person moved it.
    """

    number: int
    recipe: str
    name: str
    old: str | None
    new: str
    night: date
    who: str
    why: str
    cites: str | None
    by_hand: bool
    moved_at: datetime
    line_hash: str


def read_ref(database: Database, recipe: str, name: str) -> str | None:
    """Return what a ref points to, or nothing."""
    with database.transaction() as session:
        row = session.get(RefRow, (recipe, name))
        return None if row is None else row.value


def read_last_move(database: Database, recipe: str, name: str, *, before: date | None = None) -> RefMove | None:
    """Return the last move of a ref; None where it was never set.

    Args:
        database: The registry.
        recipe: Whose ref.
        name: Of the ref.
        before: A night: only what the nights before it left counts, whatever came later.
    """
    query = (
        sa.select(RefMoveRow)
        .where(RefMoveRow.recipe == recipe, RefMoveRow.name == name)
        .order_by(RefMoveRow.number.desc())
        .limit(1)
    )
    if before is not None:
        query = query.where(RefMoveRow.night < before)
    with database.reading() as session:
        row = session.scalar(query)
        return None if row is None else _as_move(row)


def read_ref_before(database: Database, recipe: str, name: str, night: date) -> str | None:
    """Return what a ref pointed to when a night began: what the nights before it left, whatever came later."""
    move = read_last_move(database, recipe, name, before=night)
    return move.new if move else None


def move_ref(
    database: Database,
    *,
    recipe: str,
    name: str,
    expected: str | None,
    value: str,
    night: date,
    who: str,
    why: str,
    cites: str | None = None,
    by_hand: bool = False,
) -> None:
    """Point a ref to a value, provided that it still holds the value on which the move was decided.

    A night that moves it to where it is does nothing, so that a step that is run again succeeds. By a night, a manifest
    that is cited moves a ref once: when a person has undone its move, running the night again does not bring it back.
    A person may cite it again.

    Raises:
        ConflictError: The ref holds something else, or was last moved by a later night.
    """
    with database.transaction() as session:
        row = session.get(RefRow, (recipe, name), with_for_update=True)
        present = row.value if row else None
        if not by_hand and (present == value or (cites and _is_cited(session, recipe, name, cites))):
            return
        if present != expected:
            msg = (
                f"{name} of {recipe} is {_shown(present)}, not {_shown(expected)} as when this was decided; "
                f"compare with the present {name} and decide again"
            )
            raise ConflictError(msg)
        if row and row.night > night:
            msg = f"{name} of {recipe} was moved by the later night {row.night}; night {night} cannot move it back"
            raise ConflictError(msg)
        session.merge(RefRow(recipe=recipe, name=name, value=value, night=night))
        move = RefMoveRow(
            recipe=recipe,
            name=name,
            old=present,
            new=value,
            night=night,
            who=who,
            why=why,
            cites=cites,
            by_hand=by_hand,
        )
        _append(session, move)


def verify_log(database: Database) -> int:
    """Check the whole chain of the log, and that the refs stand where it ends; return how many moves it has.

    Raises:
        RegistryError: A line was altered or removed, or a ref was moved without one.
    """
    with database.reading() as session:
        refs = {(row.recipe, row.name): row.value for row in session.scalars(sa.select(RefRow))}
        previous, number, ends = _GENESIS, 0, dict[tuple[str, str], str]()
        lines = session.scalars(sa.select(RefMoveRow).order_by(RefMoveRow.number).execution_options(yield_per=_PAGE))
        for number, row in enumerate(lines, start=1):
            if (row.number, row.previous_hash, row.line_hash) != (number, previous, _hash(row)):
                msg = f"line {number} of the ref log was altered; restore the registry from a backup"
                raise RegistryError(msg)
            previous, ends[row.recipe, row.name] = row.line_hash, row.new
    # The chain alone does not show that its last lines are gone.
    if refs != ends:
        msg = "the ref log does not end where the refs stand; restore the registry from a backup"
        raise RegistryError(msg)
    return number


def read_log_tail(
    database: Database, recipe: str | None = None, name: str | None = None, *, limit: int | None = None
) -> list[RefMove]:
    """Return the last lines of the log, oldest first; its chain is not checked.

    Args:
        database: The registry.
        recipe: None for moves of all recipes.
        name: Of the ref; None for all of them.
        limit: Lines; None for all there are.
    """
    query = sa.select(RefMoveRow).order_by(RefMoveRow.number.desc()).limit(limit)
    if recipe is not None:
        query = query.where(RefMoveRow.recipe == recipe)
    if name is not None:
        query = query.where(RefMoveRow.name == name)
    with database.reading() as session:
        return [_as_move(row) for row in reversed(session.scalars(query).all())]


def _is_cited(session: Session, recipe: str, name: str, cites: str) -> bool:
    query = sa.select(RefMoveRow.number).where(
        RefMoveRow.recipe == recipe, RefMoveRow.name == name, RefMoveRow.cites == cites
    )
    return session.scalar(query.limit(1)) is not None


def _append(session: Session, row: RefMoveRow) -> None:
    last = session.scalars(sa.select(RefMoveRow).order_by(RefMoveRow.number.desc()).limit(1)).first()
    row.number = last.number + 1 if last else 1
    row.moved_at = utc_now().replace(tzinfo=None)
    row.previous_hash = last.line_hash if last else _GENESIS
    row.line_hash = _hash(row)
    session.add(row)


def _hash(row: RefMoveRow) -> str:
    return digest_json(
        [
            row.number,
            row.recipe,
            row.name,
            row.old,
            row.new,
            row.night.isoformat(),
            row.who,
            row.why,
            row.cites,
            row.by_hand,
            row.moved_at.isoformat(),
            row.previous_hash,
        ]
    )


def _as_move(row: RefMoveRow) -> RefMove:
    return RefMove(
        number=row.number,
        recipe=row.recipe,
        name=row.name,
        old=row.old,
        new=row.new,
        night=row.night,
        who=row.who,
        why=row.why,
        cites=row.cites,
        by_hand=row.by_hand,
        moved_at=row.moved_at.replace(tzinfo=UTC),
        line_hash=row.line_hash,
    )


def _shown(value: str | None) -> str:
    return short(value) if value else "unset"
