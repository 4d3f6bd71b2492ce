"""Members: which manifests a recipe's nights made or used; the same one may belong to several of both."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import sqlalchemy as sa

from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import MemberRow

_NO_NIGHT = date.min
"""Night of what was imported: a key has no NULL."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Member:
    """That a recipe's night made or used a manifest.

    Attributes:
        kind: Kind of the manifest.
        manifest: Its id.
        recipe: The recipe.
        night: Its night; None for what was imported.
        noted_at: When the night had it first.
    """

    kind: str
    manifest: str
    recipe: str
    night: date | None
    noted_at: datetime


def add_member(database: Database, recipe: str, night: date, kind: str, manifest: str) -> None:
    """Note that a night of a recipe made or used a manifest; noted again, the first time stands."""
    key = {"recipe": recipe, "night": night, "manifest": manifest}
    with database.transaction() as session:
        if session.get(MemberRow, key) is None:
            session.add(MemberRow(**key, kind=kind, noted_at=utc_now().replace(tzinfo=None)))


def list_members(
    database: Database, kind: str, recipe: str | None = None, *, limit: int, after: Member | None = None
) -> list[Member]:
    """Return a page of the members of one kind, newest first.

    Args:
        database: The registry.
        kind: Of the manifests.
        recipe: None for those of all recipes.
        limit: Members on the page.
        after: Last one of the page before; None for the first page.
    """
    order = (MemberRow.noted_at, MemberRow.manifest, *(() if recipe else (MemberRow.recipe,)), MemberRow.night)
    query = sa.select(MemberRow).where(MemberRow.kind == kind).order_by(*(one.desc() for one in order)).limit(limit)
    if recipe is not None:
        query = query.where(MemberRow.recipe == recipe)
    if after is not None:
        last = (after.noted_at.replace(tzinfo=None), after.manifest, *(() if recipe else (after.recipe,)))
        query = query.where(sa.tuple_(*order) < sa.tuple_(*last, key_of_night(after.night)))
    with database.reading() as session:
        return [as_member(row) for row in session.scalars(query)]


def list_newest(database: Database, kind: str, recipe: str | None = None) -> Iterator[Member]:
    """Return the manifests of one kind, newest first, each once for a recipe and with the last night that had it."""
    seen: set[tuple[str, str]] = set()
    page: list[Member] = []
    while True:
        page = list_members(database, kind, recipe, limit=_PAGE, after=page[-1] if page else None)
        for member in page:
            if (member.recipe, member.manifest) not in seen:
                seen.add((member.recipe, member.manifest))
                yield member
        if len(page) < _PAGE:
            return


def list_night(database: Database, recipe: str, night: date | None, kind: str | None = None) -> list[Member]:
    """Return what a night of a recipe (None: imports) made or used, oldest first."""
    query = (
        sa.select(MemberRow)
        .where(MemberRow.recipe == recipe, MemberRow.night == key_of_night(night))
        .order_by(MemberRow.noted_at, MemberRow.manifest)
    )
    if kind is not None:
        query = query.where(MemberRow.kind == kind)
    with database.reading() as session:
        return [as_member(row) for row in session.scalars(query)]


def find_last(database: Database, recipe: str, night: date, kind: str) -> str | None:
    """Return the manifest of a kind that a night of a recipe made or used last, or None."""
    members = list_night(database, recipe, night, kind)
    return members[-1].manifest if members else None


def list_nights(database: Database, recipe: str, manifest: str) -> list[date]:
    """Return the nights of a recipe that made or used a manifest, the latest last; an import is none."""
    query = (
        sa.select(MemberRow.night)
        .where(MemberRow.recipe == recipe, MemberRow.manifest == manifest, MemberRow.night != _NO_NIGHT)
        .order_by(MemberRow.night)
    )
    with database.reading() as session:
        return list(session.scalars(query))


def list_owners(database: Database, manifest: str) -> list[str]:
    """Return the recipes that have a manifest, sorted."""
    query = sa.select(MemberRow.recipe).where(MemberRow.manifest == manifest).distinct()
    with database.reading() as session:
        return sorted(session.scalars(query))


def list_ids_by_recipe(database: Database) -> dict[str, list[str]]:
    """Return the ids of all members of each recipe."""
    recipes = sa.select(MemberRow.recipe).distinct()
    with database.reading() as session:
        return {
            recipe: list(session.scalars(sa.select(MemberRow.manifest).where(MemberRow.recipe == recipe).distinct()))
            for recipe in session.scalars(recipes).all()
        }


def key_of_night(night: date | None) -> date:
    """Return what stands for a night in the key of its members."""
    return _NO_NIGHT if night is None else night


def as_member(row: MemberRow) -> Member:
    """Return a row of the table as a value."""
    return Member(
        kind=row.kind,
        manifest=row.manifest,
        recipe=row.recipe,
        night=None if row.night == _NO_NIGHT else row.night,
        noted_at=row.noted_at.replace(tzinfo=UTC),
    )
