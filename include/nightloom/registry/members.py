"""Members: the manifests that each recipe's nights made or used. A manifest may belong to several nights."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import sqlalchemy as sa

from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import MemberRow

_NO_NIGHT = date.min
"""Placeholder night of imports: a key cannot be NULL."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Member:
    """A manifest that a recipe's night made or used.

    Attributes:
        kind: Kind of the manifest.
        manifest: Its id.
        recipe: The recipe.
        night: The night, or None for an import.
        noted_at: When the night first made or used it.
    """

    kind: str
    manifest: str
    recipe: str
    night: date | None
    noted_at: datetime


def add_member(database: Database, recipe: str, night: date, kind: str, manifest: str) -> None:
    """Record that a night of a recipe made or used a manifest; a repeated call keeps the first time."""
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
        kind: Kind of the manifests.
        recipe: Name of the recipe, or None for all recipes.
        limit: Size of the page.
        after: Last member of the previous page, or None for the first page.
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
    """Return the manifests of one kind, newest first, each once per recipe with the last night that used it."""
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
    """Return what a night of a recipe made or used, oldest first; night None for imports."""
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
    """Return the last manifest of a kind that a night of a recipe made or used, or None."""
    members = list_night(database, recipe, night, kind)
    return members[-1].manifest if members else None


def list_nights(database: Database, recipe: str, manifest: str) -> list[date]:
    """Return the nights of a recipe that made or used a manifest, latest last, without imports."""
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
    """Return the key column's value for a night or None."""
    return _NO_NIGHT if night is None else night


def as_member(row: MemberRow) -> Member:
    """Return a row of the table as a Member."""
    return Member(
        kind=row.kind,
        manifest=row.manifest,
        recipe=row.recipe,
        night=None if row.night == _NO_NIGHT else row.night,
        noted_at=row.noted_at.replace(tzinfo=UTC),
    )
