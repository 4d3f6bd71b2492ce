"""Roots: what the registry names in the store, from which garbage collection begins; and who the registry is."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.tables import (
    InstallationRow,
    LeaseRow,
    ManifestRow,
    MemberRow,
    OutcomeRow,
    RefMoveRow,
    RefRow,
    ReleaseRow,
    TrialRow,
)

_TRIAL_WAITS = timedelta(days=14)
"""For so long a trial that was left is likely to be taken up again, and its last checkpoint is kept."""


@dataclass(frozen=True, slots=True)
class Root:
    """A manifest that is kept with all that it names, and why."""

    manifest: str
    reason: str


class _Source(NamedTuple):
    reason: str
    column: sa.SQLColumnExpression[Any]
    conditions: tuple[sa.SQLColumnExpression[bool], ...] = ()


def read_registry_id(database: Database) -> str:
    """Return the random id of this registry, made when it is first asked for."""
    with database.transaction() as session:
        row = session.get(InstallationRow, 1)
        if row is None:
            row = InstallationRow(number=1, registry_id=str(uuid.uuid4()))
            session.add(row)
        return row.registry_id


def list_roots(database: Database, *, after: str = "", limit: int) -> list[Root]:
    """Return a page of the manifests that the registry names, by id, each with the strongest reason.

    These are what refs point to and ever pointed to, what stages of nights came to, what a night that is not over has
    made, blueprints, what was imported, what rows were released from, and what somebody has leased.

    Args:
        database: The registry.
        after: Last id of the page before; empty for the first page.
        limit: Manifests on the page.
    """
    sources = _list_sources()
    pages = [
        # A page of each, so that none is read beyond what the whole page can hold.
        sa.select(
            sa.select(one.column.label("manifest"), sa.literal(rank).label("rank"))
            .where(one.column > after, *one.conditions)
            .distinct()
            .order_by(one.column)
            .limit(limit)
            .subquery()
        )
        for rank, one in enumerate(sources)
    ]
    named = sa.union_all(*pages).subquery()
    query = (
        sa.select(named.c.manifest, sa.func.max(named.c.rank))
        .group_by(named.c.manifest)
        .order_by(named.c.manifest)
        .limit(limit)
    )
    with database.reading() as session:
        return [Root(manifest, sources[rank].reason) for manifest, rank in session.execute(query)]


def _list_sources() -> list[_Source]:
    """Return where the registry names manifests, the strongest reason last."""
    now = utc_now().replace(tzinfo=None)
    # A lease's scope is kind and id.
    leased = sa.func.substr(LeaseRow.scope, sa.func.length(LeaseRow.scope) - 63)
    is_unfinished = sa.tuple_(MemberRow.recipe, MemberRow.night).in_(
        sa.select(OutcomeRow.recipe, OutcomeRow.night).where(OutcomeRow.status == "running")
    )
    may_go_on = (TrialRow.finished_at.is_(None), TrialRow.seen_at > now - _TRIAL_WAITS)
    return [
        _Source("blueprint", ManifestRow.manifest, (ManifestRow.kind == "blueprint",)),
        _Source("leased", leased, (LeaseRow.expires_at > now, sa.func.length(LeaseRow.scope) > 64)),
        _Source("unfinished night", MemberRow.manifest, (is_unfinished,)),
        _Source("unfinished trial", TrialRow.checkpoint, may_go_on),
        _Source("imported", ManifestRow.manifest, (ManifestRow.kind == "import",)),
        _Source("release", ReleaseRow.preparation),
        _Source("night", OutcomeRow.manifest),
        _Source("earlier ref", RefMoveRow.cites),
        _Source("earlier ref", RefMoveRow.new),
        _Source("ref", RefRow.value),
    ]
