"""Questions: queries about what exists, answered by the index in few statements, without reading the store.

References to the previous night (the parent of a snapshot or of a batch) are not followed: they would include the
whole history.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from nightloom.artifacts.ids import AdapterId, SnapshotId
from nightloom.artifacts.models import Adapter
from nightloom.registry.database import Database
from nightloom.registry.members import Member, as_member
from nightloom.registry.nights import StageOutcome, as_outcome
from nightloom.registry.tables import EdgeRow, ManifestRow, MemberRow, OutcomeRow, RefRow

MOST_RELATED = 1000
"""Most manifests that a walk along edges returns."""

_FROM_THE_NIGHT_BEFORE = "parent"


@dataclass(frozen=True, slots=True)
class Indexed:
    """An indexed manifest."""

    kind: str
    manifest: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class ChampionLineage:
    """A champion with its ancestors and descendants, each oldest first."""

    champion: AdapterId
    ancestors: list[Indexed]
    descendants: list[Indexed]


def read_champion_lineage(database: Database, recipe: str) -> ChampionLineage | None:
    """Return the lineage of a recipe's champion, or None if there is no champion."""
    with database.reading() as session:
        row = session.get(RefRow, (recipe, "champion"))
        if row is None:
            return None
        up, down = (session.execute(_walk(row.value, up=up, limit=MOST_RELATED)).all() for up in (True, False))
        return ChampionLineage(Adapter.as_id(row.value), _as_indexed(up), _as_indexed(down))


def list_ancestors(database: Database, manifest: str, *, limit: int = MOST_RELATED) -> list[Indexed]:
    """Return what a manifest was made from, oldest first, and at most `limit` manifests."""
    with database.reading() as session:
        return _as_indexed(session.execute(_walk(manifest, up=True, limit=limit)).all())


def list_descendants(database: Database, manifest: str, *, limit: int = MOST_RELATED) -> list[Indexed]:
    """Return what was made from a manifest, such as a snapshot, oldest first; at most `limit`, the nearest."""
    with database.reading() as session:
        return _as_indexed(session.execute(_walk(manifest, up=False, limit=limit)).all())


def list_children(database: Database, parent: str, kind: str, path: str) -> list[str]:
    """Return the manifests of a kind that name another in the field of this path, oldest first."""
    query = (
        sa.select(EdgeRow.child)
        .join(ManifestRow, ManifestRow.manifest == EdgeRow.child)
        .where(EdgeRow.parent == parent, EdgeRow.child_kind == kind, EdgeRow.path == path)
        .order_by(ManifestRow.made_at, EdgeRow.child)
    )
    with database.reading() as session:
        return list(session.scalars(query))


def list_parents(database: Database, child: str, kind: str) -> list[str]:
    """Return the manifests of a kind that another was made from, sorted."""
    query = sa.select(EdgeRow.parent).where(EdgeRow.child == child, EdgeRow.parent_kind == kind).distinct()
    with database.reading() as session:
        return sorted(session.scalars(query))


def list_learners(database: Database, snapshots: Collection[SnapshotId]) -> list[AdapterId]:
    """Return the adapters trained on one of these snapshots, sorted."""
    learned, made = aliased(EdgeRow), aliased(EdgeRow)
    query = (
        sa.select(made.child)
        .join(learned, sa.and_(learned.child == made.parent, learned.child_kind == "trial"))
        .where(learned.parent.in_(snapshots), learned.path == "snapshot", made.child_kind == "adapter")
        .distinct()
    )
    with database.reading() as session:
        return sorted(Adapter.as_id(one) for one in session.scalars(query))


def list_predictions(
    database: Database, adapter_id: AdapterId, *, limit: int, after: Member | None = None
) -> list[Member]:
    """Return a page of an adapter's prediction batches, with recipe and night, newest first.

    Args:
        database: The registry.
        adapter_id: The adapter.
        limit: Size of the page.
        after: Last batch of the previous page, or None for the first page.
    """
    planned, done = aliased(EdgeRow), aliased(EdgeRow)
    order = (MemberRow.noted_at, MemberRow.manifest, MemberRow.recipe, MemberRow.night)
    query = (
        sa.select(MemberRow)
        .join(done, done.child == MemberRow.manifest)
        .join(planned, planned.child == done.parent)
        .where(
            *(planned.parent == adapter_id, planned.child_kind == "prediction_plan", planned.path == "model.adapter"),
            *(done.child_kind == "predictions", done.path == "plan"),
        )
        .order_by(*(one.desc() for one in order))
        .limit(limit)
    )
    if after is not None:
        last = (after.noted_at.replace(tzinfo=None), after.manifest, after.recipe, after.night)
        query = query.where(sa.tuple_(*order) < sa.tuple_(*last))
    with database.reading() as session:
        return [as_member(row) for row in session.scalars(query)]


def list_failures(
    database: Database, recipe: str | None = None, *, limit: int, after: StageOutcome | None = None
) -> list[StageOutcome]:
    """Return a page of the failed stages, latest night first.

    Args:
        database: The registry.
        recipe: Name of the recipe, or None for all recipes.
        limit: Size of the page.
        after: Last outcome of the previous page, or None for the first page.
    """
    order = (OutcomeRow.night, OutcomeRow.recipe, OutcomeRow.stage)
    query = (
        sa.select(OutcomeRow).where(OutcomeRow.status == "failed").order_by(*(one.desc() for one in order)).limit(limit)
    )
    if recipe is not None:
        query = query.where(OutcomeRow.recipe == recipe)
    if after is not None:
        query = query.where(sa.tuple_(*order) < sa.tuple_(after.night, after.recipe, after.stage))
    with database.reading() as session:
        return [as_outcome(row) for row in session.scalars(query)]


def complete_id(database: Database, kind: str, beginning: str, *, limit: int) -> list[str]:
    """Return the ids of a kind that begin with these digits, sorted."""
    query = (
        sa.select(ManifestRow.manifest)
        .where(ManifestRow.kind == kind, ManifestRow.manifest >= beginning, ManifestRow.manifest < f"{beginning}g")
        .order_by(ManifestRow.manifest)
        .limit(limit)
    )
    with database.reading() as session:
        return list(session.scalars(query))


def _walk(start: str, *, up: bool, limit: int) -> sa.Select[str, str, datetime]:
    """Return the query for all manifests reachable along edges, at most `limit`, the nearest."""
    near, far = (EdgeRow.child, EdgeRow.parent) if up else (EdgeRow.parent, EdgeRow.child)
    walk = sa.select(sa.cast(start, sa.String(64)).label("manifest")).cte("walk", recursive=True)
    # UNION takes each manifest once, even if several paths lead to it.
    walk = walk.union(sa.select(far).join(walk, near == walk.c.manifest).where(EdgeRow.path != _FROM_THE_NIGHT_BEFORE))
    reached = sa.select(walk.c.manifest).where(walk.c.manifest != start).limit(limit).subquery()
    return (
        sa.select(ManifestRow.kind, ManifestRow.manifest, ManifestRow.made_at)
        .join(reached, ManifestRow.manifest == reached.c.manifest)
        .order_by(ManifestRow.made_at, ManifestRow.kind, ManifestRow.manifest)
    )


def _as_indexed(rows: Any) -> list[Indexed]:
    return [Indexed(kind, manifest, made_at.replace(tzinfo=UTC)) for kind, manifest, made_at in rows]
