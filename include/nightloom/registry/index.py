"""The index: the manifests of the store and the edges between them. It can be rebuilt from the store."""

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
_AT_ONCE = 500  # ids per statement
_PAGE = 20_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """The index entry of a manifest.

    Attributes:
        manifest: The manifest.
        made_at: When it was made, as far as known.
        edges: Edges that its fields give.
        mentioned: Digests in a report's facts, of any kind.
    """

    manifest: Manifest
    made_at: datetime
    edges: Sequence[Edge]
    mentioned: Collection[str] = field(repr=False)

    @property
    def id(self) -> str:
        """The manifest's id."""
        return self.manifest.id


def make_entry(manifest: Manifest, read_blob: ReadBlob, made_at: datetime) -> Entry:
    """Return the index entry of a manifest.

    Args:
        manifest: The manifest, as stored.
        read_blob: Reads the facts of a report. They are for people, so references are recognised by their form only.
        made_at: When it was made.
    """
    facts = (name.digest for name in list_names(manifest) if name.content == "facts")
    mentioned = {digest.decode() for blob in facts for digest in _DIGEST.findall(read_blob(blob))}
    return Entry(manifest, made_at, list_edges(manifest), mentioned)


class Indexer:
    """Indexes the manifests that a process publishes or finds, each once."""

    def __init__(self, database: Database, read_blob: ReadBlob) -> None:
        self._database = database
        self._read_blob = read_blob
        self._noted: set[str] = set()

    def __call__(self, manifest: Manifest) -> None:
        """Index a manifest, unless it is indexed."""
        manifest_id = manifest.id
        if manifest_id in self._noted:
            return
        if not find_known(self._database, [manifest_id]):
            note_entries(self._database, [make_entry(manifest, self._read_blob, utc_now())])
        self._noted.add(manifest_id)


def note_entries(database: Database, entries: Collection[Entry]) -> int:
    """Index manifests with their edges, in one transaction, and return how many were new.

    Edges of known manifests are replaced. Manifests of a stage result become members of its recipe and night, imported
    ones members of their recipe, if they are indexed.
    """
    by_id = {entry.id: entry for entry in entries}
    with database.transaction() as session:
        fresh = by_id.keys() - _select_known(session, by_id)
        rows = (
            {"manifest": one, "kind": by_id[one].manifest.kind, "made_at": _naive(by_id[one].made_at)} for one in fresh
        )
        _insert(session, ManifestRow, list(rows))
        _delete_edges(session, by_id.keys() - fresh)
        edges = {edge for entry in by_id.values() for edge in (*entry.edges, *_list_mentioned(session, entry))}
        _insert(session, EdgeRow, [asdict(edge) for edge in edges])
        for entry in by_id.values():
            if isinstance(entry.manifest, StageResult):
                _add_stage(session, entry.manifest)
            elif isinstance(entry.manifest, Import):
                _add_import(session, entry.manifest)
    return len(fresh)


def forget_manifests(database: Database, manifests: Collection[str]) -> None:
    """Remove manifests that are gone from the store from the index, with the edges that their fields give."""
    with database.transaction() as session:
        _delete_edges(session, manifests)
        for ids in batches(manifests, _AT_ONCE):
            session.execute(sa.delete(MemberRow).where(MemberRow.manifest.in_(ids)))
            session.execute(sa.delete(ManifestRow).where(ManifestRow.manifest.in_(ids)))


def find_known(database: Database, manifests: Collection[str]) -> set[str]:
    """Return the ids that are indexed."""
    with database.reading() as session:
        return _select_known(session, manifests)


def list_known(database: Database) -> Iterator[tuple[str, str, datetime]]:
    """Return id, kind and time of all indexed manifests, by id, read in pages."""
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
    """Return the items in lists of a size; the last may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _select_known(session: Session, manifests: Collection[str]) -> set[str]:
    query = sa.select(ManifestRow.manifest)
    found = (session.scalars(query.where(ManifestRow.manifest.in_(ids))) for ids in batches(manifests, _AT_ONCE))
    return {manifest for each in found for manifest in each}


def _delete_edges(session: Session, manifests: Collection[str]) -> None:
    """Delete the edges that manifests' fields give; edges given by other manifests are kept."""
    for ids in batches(manifests, _AT_ONCE):
        session.execute(sa.delete(EdgeRow).where(EdgeRow.parent.in_(ids), EdgeRow.part == "result"))
        session.execute(sa.delete(EdgeRow).where(EdgeRow.child.in_(ids), EdgeRow.part != "result"))


def _list_mentioned(session: Session, entry: Entry) -> Iterator[Edge]:
    """Return edges from all manifests mentioned in the facts of a report."""
    query = sa.select(ManifestRow.kind, ManifestRow.manifest)
    for ids in batches(sorted(entry.mentioned), _AT_ONCE):
        for kind, manifest in session.execute(query.where(ManifestRow.manifest.in_(ids))):
            yield Edge(kind, manifest, entry.manifest.kind, entry.id, "facts", "facts")


def _add_stage(session: Session, stage: StageResult) -> None:
    content = stage.content
    wanted = [manifest for ids in content.members.values() for manifest in ids]
    _add_members(session, content.recipe, date.fromisoformat(content.night), wanted, stage.provenance.began_at)


def _add_import(session: Session, imported: Import) -> None:
    wanted = [imported.content.adapter, imported.id]
    _add_members(session, imported.content.recipe, key_of_night(None), wanted, imported.provenance.imported_at)


def _add_members(session: Session, recipe: str, night: date, wanted: Collection[str], since: datetime) -> None:
    of_night = sa.select(MemberRow.manifest).where(MemberRow.recipe == recipe, MemberRow.night == night)
    known = set(session.scalars(of_night))
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
        if row.manifest not in known
    ]
    _insert(session, MemberRow, rows)


def _insert(session: Session, table: type[Any], rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(sa.insert(table), rows)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
