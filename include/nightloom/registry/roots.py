"""Roots: the manifests that garbage collection must keep, and the registry's own id."""

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
"""How long the last checkpoint of an unfinished trial is kept, because the trial may resume."""


@dataclass(frozen=True, slots=True)
class Root:
    """A manifest that is kept with everything it references, and the reason."""

    manifest: str
    reason: str


class _Source(NamedTuple):
    reason: str
    column: sa.SQLColumnExpression[Any]
    conditions: tuple[sa.SQLColumnExpression[bool], ...] = ()


def read_registry_id(database: Database) -> str:
    """Return the random id of this registry, created on first use."""
    with database.transaction() as session:
        row = session.get(InstallationRow, 1)
        if row is None:
            row = InstallationRow(number=1, registry_id=str(uuid.uuid4()))
            session.add(row)
        return row.registry_id


def list_roots(database: Database, *, after: str = "", limit: int) -> list[Root]:
    """Return a page of the manifests that the registry references, by id, each with the strongest reason.

    These are current and earlier values of refs, results of stages, manifests of unfinished nights, blueprints,
    imports, preparations with released rows, and manifests with a lease.

    Args:
        database: The registry.
        after: Last id of the previous page; empty for the first page.
        limit: Manifests on the page.
    """
    sources = _list_sources()
    pages = [
        # One page of each source is enough for the merged page.
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
    """Return the columns that reference manifests, the strongest reason last."""
    now = utc_now().replace(tzinfo=None)
    # A lease's scope is kind and id.
    leased = sa.func.substr(LeaseRow.scope, sa.func.length(LeaseRow.scope) - 63)
    is_unfinished = sa.tuple_(MemberRow.recipe, MemberRow.night).in_(
        sa.select(OutcomeRow.recipe, OutcomeRow.night).where(OutcomeRow.status == "running")
    )
    may_resume = (TrialRow.finished_at.is_(None), TrialRow.seen_at > now - _TRIAL_WAITS)
    return [
        _Source("blueprint", ManifestRow.manifest, (ManifestRow.kind == "blueprint",)),
        _Source("leased", leased, (LeaseRow.expires_at > now, sa.func.length(LeaseRow.scope) > 64)),
        _Source("unfinished night", MemberRow.manifest, (is_unfinished,)),
        _Source("unfinished trial", TrialRow.checkpoint, may_resume),
        _Source("imported", ManifestRow.manifest, (ManifestRow.kind == "import",)),
        _Source("release", ReleaseRow.preparation),
        _Source("night", OutcomeRow.manifest),
        _Source("earlier ref", RefMoveRow.cites),
        _Source("earlier ref", RefMoveRow.new),
        _Source("ref", RefRow.value),
    ]
