"""Graph: a walk over the index, from roots to all manifests that they reference, in pages."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from nightloom.artifacts.kinds import KINDS
from nightloom.core.manifests import CachedResult
from nightloom.registry.database import Database
from nightloom.registry.index import batches
from nightloom.registry.tables import EdgeRow, ManifestRow

_CACHED = tuple(kind.kind for kind in KINDS.values() if issubclass(kind, CachedResult) and kind.is_kept_with_its_inputs)
_AT_ONCE = 500  # ids per statement


def find_reachable(database: Database, roots: Mapping[str, str]) -> dict[str, str]:
    """Return the ids of all manifests reachable from roots by references, each with the reason of a root.

    Nothing references most cached results: they are reachable when everything that their key names is.
    """
    reached: dict[str, str] = {}
    candidates: set[str] = set()
    with database.reading() as session:
        frontier = {**dict.fromkeys(_list_undetermined(session), "cached result"), **roots}
        while frontier:
            reached |= frontier
            candidates |= set(_list_results(session, frontier))
            found = {
                target: frontier[source]
                for source, target in _list_references(session, frontier)
                if target not in reached
            }
            if not found:
                candidates -= reached.keys()
                found = dict.fromkeys(_list_determined(session, candidates, reached), "cached result")
            frontier = found
    return reached


def _list_references(session: Session, sources: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Return the references of manifests, as pairs of source and target."""
    for ids in batches(sources, _AT_ONCE):
        by_child = sa.select(EdgeRow.child, EdgeRow.parent).where(EdgeRow.child.in_(ids), EdgeRow.part != "result")
        by_parent = sa.select(EdgeRow.parent, EdgeRow.child).where(EdgeRow.parent.in_(ids), EdgeRow.part == "result")
        yield from ((source, target) for source, target in session.execute(by_child.union_all(by_parent)))


def _list_results(session: Session, keys: Iterable[str]) -> Iterator[str]:
    """Return the cached results whose keys name one of these manifests."""
    query = sa.select(EdgeRow.child).where(EdgeRow.part == "key", EdgeRow.child_kind.in_(_CACHED))
    for ids in batches(keys, _AT_ONCE):
        yield from session.scalars(query.where(EdgeRow.parent.in_(ids)))


def _list_determined(session: Session, results: Iterable[str], reached: Collection[str]) -> Iterator[str]:
    """Return the cached results whose keys name only reached manifests."""
    query = sa.select(EdgeRow.child, EdgeRow.parent).where(EdgeRow.part == "key")
    for ids in batches(results, _AT_ONCE):
        named = session.execute(query.where(EdgeRow.child.in_(ids))).all()
        yield from {child for child, _ in named} - {child for child, parent in named if parent not in reached}


def _list_undetermined(session: Session) -> Iterator[str]:
    """Return all cached results whose keys name no manifest."""
    is_key = sa.select(EdgeRow.child).where(EdgeRow.child == ManifestRow.manifest, EdgeRow.part == "key")
    query = sa.select(ManifestRow.manifest).where(ManifestRow.kind.in_(_CACHED), ~is_key.exists())
    yield from session.scalars(query)
