"""Refs: the few movable pointers, changed by compare-and-swap and logged in a hash chain."""

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
        cites: Id of the manifest that justifies the move: for a champion a verdict or an import.
        by_hand: Whether a person moved it.
        undoes: Number of the earlier move that it takes back, with all that followed it; None for a move forward.
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
    undoes: int | None
    moved_at: datetime
    line_hash: str


def read_ref(database: Database, recipe: str, name: str) -> str | None:
    """Return the value of a ref, or None if it is unset."""
    with database.transaction() as session:
        row = session.get(RefRow, (recipe, name))
        return None if row is None else row.value


def read_last_move(database: Database, recipe: str, name: str, *, before: date | None = None) -> RefMove | None:
    """Return the last move of a ref, or None if it was never set.

    Args:
        database: The registry.
        recipe: Name of the recipe.
        name: Name of the ref.
        before: A night; moves of later nights are ignored, and its own unless a person made them.
    """
    query = (
        sa.select(RefMoveRow)
        .where(RefMoveRow.recipe == recipe, RefMoveRow.name == name)
        .order_by(RefMoveRow.number.desc())
        .limit(1)
    )
    if before is not None:
        query = query.where((RefMoveRow.night < before) | ((RefMoveRow.night == before) & RefMoveRow.by_hand))
    with database.reading() as session:
        row = session.scalar(query)
        return None if row is None else _as_move(row)


def read_ref_before(database: Database, recipe: str, name: str, night: date) -> str | None:
    """Return the value of a ref before a night, set by the nights before it, or by a person since."""
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
    undoes: int | None = None,
) -> None:
    """Set a ref to a value, if it still has the value on which the move was decided.

    A night that sets the value that the ref has does nothing, so that repeated steps succeed. By a night, a cited
    manifest moves a ref once: if a person has undone the move, running the night again does not repeat it. A person may
    cite the manifest again, and may undo the move of any night.
    A move that takes back an earlier one names it by its number, and so differs from a new move to the same value.

    Raises:
        ConflictError: The ref has another value, or a later night moved it last and a night moves it now.
    """
    with database.transaction() as session:
        row = session.get(RefRow, (recipe, name), with_for_update=True)
        present = row.value if row else None
        if not by_hand and (present == value or (cites and _is_cited(session, recipe, name, cites))):
            return
        if present != expected:
            msg = (
                f"{name} of {recipe} is now {_shown(present)}, but the decision was based on {_shown(expected)}; "
                f"compare with the current {name} and decide again"
            )
            raise ConflictError(msg)
        if not by_hand and row and row.night > night:
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
            undoes=undoes,
        )
        _append(session, move)


def verify_log(database: Database) -> int:
    """Check the whole hash chain of the log, and that the refs match it; return the number of moves.

    Raises:
        RegistryError: A line was altered or removed, or a ref was moved without a line.
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
    # The chain alone does not show that the last lines are missing.
    if refs != ends:
        msg = "the refs do not match the end of the ref log; restore the registry from a backup"
        raise RegistryError(msg)
    return number


def read_log_tail(
    database: Database, recipe: str | None = None, name: str | None = None, *, limit: int | None = None
) -> list[RefMove]:
    """Return the last lines of the log, oldest first, without checking the chain.

    Args:
        database: The registry.
        recipe: Name of the recipe, or None for all recipes.
        name: Name of the ref, or None for all refs.
        limit: Number of lines, or None for all.
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
            # Lines from before this column have no place for it.
            *([row.undoes] if row.undoes is not None else []),
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
        undoes=row.undoes,
        moved_at=row.moved_at.replace(tzinfo=UTC),
        line_hash=row.line_hash,
    )


def _shown(value: str | None) -> str:
    return short(value) if value else "unset"
