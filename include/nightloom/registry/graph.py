"""Reach: all that roots lead to by the names in manifests, read from the index in pages."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from nightloom.artifacts.kinds import KINDS
from nightloom.core.manifests import CachedResult
from nightloom.registry.database import Database
from nightloom.registry.index import batches
from nightloom.registry.tables import EdgeRow, ManifestRow

_CACHED = tuple(kind.kind for kind in KINDS.values() if issubclass(kind, CachedResult) and kind.is_kept_with_its_inputs)
_AT_ONCE = 500  # ids in one statement


def find_reachable(database: Database, roots: Mapping[str, str]) -> dict[str, str]:
    """Return the ids of all manifests that roots name, and those name in turn, each with the reason of a root.

    A cached result is named by nobody: it is reached when all that determines it is.
    """
    reached: dict[str, str] = {}
    candidates: set[str] = set()
    with database.reading() as session:
        waiting = {**dict.fromkeys(_list_undetermined(session), "result of what is kept"), **roots}
        while waiting:
            reached |= waiting
            candidates |= set(_list_results(session, waiting))
            found = {named: waiting[namer] for namer, named in _list_named(session, waiting) if named not in reached}
            if not found:
                candidates -= reached.keys()
                found = dict.fromkeys(_list_determined(session, candidates, reached), "result of what is kept")
            waiting = found
    return reached


def _list_named(session: Session, namers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Return who names whom."""
    for ids in batches(namers, _AT_ONCE):
        by_child = sa.select(EdgeRow.child, EdgeRow.parent).where(EdgeRow.child.in_(ids), EdgeRow.part != "result")
        by_parent = sa.select(EdgeRow.parent, EdgeRow.child).where(EdgeRow.parent.in_(ids), EdgeRow.part == "result")
        yield from ((namer, named) for namer, named in session.execute(by_child.union_all(by_parent)))


def _list_results(session: Session, keys: Iterable[str]) -> Iterator[str]:
    """Return the cached results that some manifests determine, or help to."""
    query = sa.select(EdgeRow.child).where(EdgeRow.part == "key", EdgeRow.child_kind.in_(_CACHED))
    for ids in batches(keys, _AT_ONCE):
        yield from session.scalars(query.where(EdgeRow.parent.in_(ids)))


def _list_determined(session: Session, results: Iterable[str], reached: Collection[str]) -> Iterator[str]:
    """Return those of the cached results whose keys name only what is reached."""
    query = sa.select(EdgeRow.child, EdgeRow.parent).where(EdgeRow.part == "key")
    for ids in batches(results, _AT_ONCE):
        named = session.execute(query.where(EdgeRow.child.in_(ids))).all()
        yield from {child for child, _ in named} - {child for child, parent in named if parent not in reached}


def _list_undetermined(session: Session) -> Iterator[str]:
    """Return the cached results whose keys name no manifest."""
    is_key = sa.select(EdgeRow.child).where(EdgeRow.child == ManifestRow.manifest, EdgeRow.part == "key")
    query = sa.select(ManifestRow.manifest).where(ManifestRow.kind.in_(_CACHED), ~is_key.exists())
    yield from session.scalars(query)
