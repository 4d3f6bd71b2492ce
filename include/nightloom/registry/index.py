"""The index: which manifests the store has, and the edges between them. The store can tell all of it again."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from nightloom.artifacts.models import Import
from nightloom.artifacts.stages import StageResult
from nightloom.core.manifests import Manifest
from nightloom.core.names import list_names
from nightloom.core.nights import utc_now
from nightloom.registry.database import Database
from nightloom.registry.edges import Edge, list_edges
from nightloom.registry.members import key_of_night
from nightloom.registry.tables import EdgeRow, ManifestRow, MemberRow

ReadBlob = Callable[[str], bytes]

_DIGEST = re.compile(rb"\b[0-9a-f]{64}\b")
_AT_ONCE = 500  # ids in one statement
_PAGE = 20_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index keeps of a manifest.

    Attributes:
        manifest: The manifest.
        made_at: When it was made, as near as is known.
        edges: Those that it tells of.
        told: Digests that its facts tell of, of whatever they are.
    """

    manifest: Manifest
    made_at: datetime
    edges: Sequence[Edge]
    told: Collection[str] = field(repr=False)

    @property
    def id(self) -> str:
        """The manifest's id."""
        return self.manifest.id


def make_entry(manifest: Manifest, read_blob: ReadBlob, made_at: datetime) -> Entry:
    """Return what the index keeps of a manifest.

    Args:
        manifest: As it lies in the store.
        read_blob: Reads the facts of a report, which tell by their look alone what they name: they are for people.
        made_at: When it was made.
    """
    facts = (name.digest for name in list_names(manifest) if name.content == "facts")
    told = {digest.decode() for blob in facts for digest in _DIGEST.findall(read_blob(blob))}
    return Entry(manifest, made_at, list_edges(manifest), told)


class Indexer:
    """Notes the manifests that a process publishes or finds, each once."""

    def __init__(self, database: Database, read_blob: ReadBlob) -> None:
        self._database = database
        self._read_blob = read_blob
        self._noted: set[str] = set()

    def __call__(self, manifest: Manifest) -> None:
        """Note a manifest, unless it is known."""
        manifest_id = manifest.id
        if manifest_id in self._noted:
            return
        if not find_known(self._database, [manifest_id]):
            note_entries(self._database, [make_entry(manifest, self._read_blob, utc_now())])
        self._noted.add(manifest_id)


def note_entries(database: Database, entries: Collection[Entry]) -> int:
    """Write manifests with their edges into the index, in one transaction; return how many it did not know.

    Edges of those that it knew are written anew. What a stage made or used becomes members of its recipe and night, and
    what was imported members of its recipe, as far as the index knows it.
    """
    by_id = {entry.id: entry for entry in entries}
    with database.transaction() as session:
        fresh = by_id.keys() - _select_known(session, by_id)
        rows = (
            {"manifest": one, "kind": by_id[one].manifest.kind, "made_at": _naive(by_id[one].made_at)} for one in fresh
        )
        _insert(session, ManifestRow, list(rows))
        _delete_edges(session, by_id.keys() - fresh)
        edges = {edge for entry in by_id.values() for edge in (*entry.edges, *_list_told(session, entry))}
        _insert(session, EdgeRow, [asdict(edge) for edge in edges])
        for entry in by_id.values():
            if isinstance(entry.manifest, StageResult):
                _add_stage(session, entry.manifest)
            elif isinstance(entry.manifest, Import):
                _add_import(session, entry.manifest)
    return len(fresh)


def forget_manifests(database: Database, manifests: Collection[str]) -> None:
    """Take manifests out of the index that are gone from the store, with the edges that they told of."""
    with database.transaction() as session:
        _delete_edges(session, manifests)
        for ids in batches(manifests, _AT_ONCE):
            session.execute(sa.delete(MemberRow).where(MemberRow.manifest.in_(ids)))
            session.execute(sa.delete(ManifestRow).where(ManifestRow.manifest.in_(ids)))


def find_known(database: Database, manifests: Collection[str]) -> set[str]:
    """Return those of the ids that the index has."""
    with database.reading() as session:
        return _select_known(session, manifests)


def list_known(database: Database) -> Iterator[tuple[str, str, datetime]]:
    """Return id, kind and time of all manifests of the index, by id, read in pages."""
    after = ""
    while True:
        query = (
            sa.select(ManifestRow.manifest, ManifestRow.kind, ManifestRow.made_at)
            .where(ManifestRow.manifest > after)
            .order_by(ManifestRow.manifest)
            .limit(_PAGE)
        )
        with database.reading() as session:
            page = session.execute(query).all()
        yield from ((manifest, kind, made_at.replace(tzinfo=UTC)) for manifest, kind, made_at in page)
        if len(page) < _PAGE:
            return
        after = page[-1].manifest


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Return the items in lists of a size, the last of which may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _select_known(session: Session, manifests: Collection[str]) -> set[str]:
    query = sa.select(ManifestRow.manifest)
    found = (session.scalars(query.where(ManifestRow.manifest.in_(ids))) for ids in batches(manifests, _AT_ONCE))
    return {manifest for each in found for manifest in each}


def _delete_edges(session: Session, manifests: Collection[str]) -> None:
    """Delete the edges that manifests tell of; those to them that others tell of stay."""
    for ids in batches(manifests, _AT_ONCE):
        session.execute(sa.delete(EdgeRow).where(EdgeRow.parent.in_(ids), EdgeRow.part == "result"))
        session.execute(sa.delete(EdgeRow).where(EdgeRow.child.in_(ids), EdgeRow.part != "result"))


def _list_told(session: Session, entry: Entry) -> Iterator[Edge]:
    """Return edges from all that the facts of a report tell of."""
    query = sa.select(ManifestRow.kind, ManifestRow.manifest)
    for ids in batches(sorted(entry.told), _AT_ONCE):
        for kind, told in session.execute(query.where(ManifestRow.manifest.in_(ids))):
            yield Edge(kind, told, entry.manifest.kind, entry.id, "facts", "facts")


def _add_stage(session: Session, stage: StageResult) -> None:
    told = stage.content
    wanted = [manifest for ids in told.members.values() for manifest in ids]
    _add_members(session, told.recipe, date.fromisoformat(told.night), wanted, stage.provenance.began_at)


def _add_import(session: Session, imported: Import) -> None:
    wanted = [imported.content.adapter, imported.id]
    _add_members(session, imported.content.recipe, key_of_night(None), wanted, imported.provenance.imported_at)


def _add_members(session: Session, recipe: str, night: date, wanted: Collection[str], since: datetime) -> None:
    of_night = sa.select(MemberRow.manifest).where(MemberRow.recipe == recipe, MemberRow.night == night)
    there = set(session.scalars(of_night))
    query = sa.select(ManifestRow)
    found = (session.scalars(query.where(ManifestRow.manifest.in_(ids))) for ids in batches(wanted, _AT_ONCE))
    rows = [
        {
            "recipe": recipe,
            "night": night,
            "manifest": row.manifest,
            "kind": row.kind,
            "noted_at": max(row.made_at, _naive(since)),
        }
        for each in found
        for row in each
        if row.manifest not in there
    ]
    _insert(session, MemberRow, rows)


def _insert(session: Session, table: type[Any], rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(sa.insert(table), rows)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
