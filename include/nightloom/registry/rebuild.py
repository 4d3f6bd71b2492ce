"""Rebuild: compares the index (manifests, edges, members) with the store, or rebuilds it from the store.

Refs, the ref log and nights are left unchanged.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from nightloom.artifacts.kinds import KINDS
from nightloom.core.errors import InputError, ManifestError, RegistryError
from nightloom.core.names import Named
from nightloom.core.nights import utc_now
from nightloom.core.ownership import claim_prefix
from nightloom.core.store import TRASH, ObjectStore
from nightloom.core.trash import name_of
from nightloom.registry.database import Database
from nightloom.registry.index import Entry, batches, forget_manifests, list_known, make_entry, note_entries
from nightloom.registry.roots import read_registry_id

logger = logging.getLogger(__name__)

_LAST = ("import", "report", "stage")
"""Kinds that name manifests of any kind, so they are indexed after all others."""

_YOUNG = timedelta(hours=1)
"""Age up to which a manifest may not be indexed yet by its writer."""

_BATCH = 500
_THREADS = 16


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result of a rebuild.

    Attributes:
        manifests: Number of manifests in the store.
        added: Number of those that were missing in the index.
        forgotten: Number of manifests that were in the index but are no longer in the store.
        damaged: Kind and id of manifests that cannot be read, so their edges are unknown.
    """

    manifests: int
    added: int
    forgotten: int
    damaged: tuple[str, ...]


def rebuild_index(
    store: ObjectStore, database: Database, on_progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Rebuilt:
    """Rebuild the index from the store. After a kill it is completed by running it again.

    Args:
        store: The store; it is listed once, and each manifest is read.
        database: The registry that owns the store's prefix.
        on_progress: Called with the number of manifests done, and of all manifests.

    Raises:
        InputError: The prefix belongs to another registry, or holds manifests that this version does not know.
    """
    claim_prefix(store, read_registry_id(database))
    began_at = utc_now()
    listed = list_manifests(store)
    added, done, damaged = 0, 0, list[str]()
    with ThreadPoolExecutor(_THREADS) as pool:
        for batch in batches(sorted(listed, key=lambda name: (name.kind in _LAST, name.kind, name.digest)), _BATCH):
            found = list(pool.map(lambda name: _read(store, name, listed[name]), batch))
            added += note_entries(database, [entry for entry in found if entry])
            damaged += [f"{name.kind} {name.digest}" for name, entry in zip(batch, found, strict=True) if not entry]
            done += len(batch)
            on_progress(done, len(listed))
    forgotten = _forget_lost(database, {name.digest for name in listed}, began_at)
    return Rebuilt(len(listed), added, forgotten, tuple(damaged))


def compare_index(store: ObjectStore, database: Database) -> int:
    """Check that index and store have the same manifests, and return how many.

    The store is listed, but no manifest is read. Manifests of the last hour may be in only one of the two. A concurrent
    garbage collection may look like a difference, but a retry passes.

    Raises:
        RegistryError: They differ.
        InputError: The store has manifests that this version does not know.
    """
    before = utc_now() - _YOUNG
    listed = list_manifests(store)
    known = {Named(kind, manifest): made_at for manifest, kind, made_at in list_known(database)}
    unknown = [name for name in listed.keys() - known.keys() if listed[name] < before]
    lost = [name for name in known.keys() - listed.keys() if known[name] < before]
    if unknown or lost:
        example = min(unknown or lost, key=lambda name: (name.kind, name.digest))
        msg = (
            f"index and store differ, for example in {example.kind} {example.digest} (manifests only in the store: "
            f"{len(unknown)}, only in the index: {len(lost)}); `nightloom registry rebuild` rebuilds the index"
        )
        raise RegistryError(msg)
    return len(known)


def list_manifests(store: ObjectStore) -> Mapping[Named, datetime]:
    """Return all manifests of the store, including the trash, with the time of writing.

    Raises:
        InputError: A manifest has a kind that this version does not know.
    """
    found: dict[Named, datetime] = {}
    for folder in (f"{TRASH}manifests/", "manifests/"):
        found |= {name: one.modified_at for one in store.bucket.list_objects(folder) if (name := name_of(one.key))}
    refuse_unknown_kinds(found)
    return found


def refuse_unknown_kinds(names: Collection[Named]) -> None:
    """Check that the kinds of all manifests are known: the references of other kinds cannot be read.

    Raises:
        InputError: A kind is unknown.
    """
    unknown = {name.kind for name in names} - KINDS.keys()
    if unknown:
        msg = (
            f"the store has manifests of kind {min(unknown)!r}, which this Nightloom does not know; use a newer version"
        )
        raise InputError(msg)


def _read(store: ObjectStore, name: Named, made_at: datetime) -> Entry | None:
    try:
        return make_entry(store.load(KINDS[name.kind], name.digest), store.get_blob, made_at)
    except ManifestError as error:
        logger.warning("%s", error)
        return None


def _forget_lost(database: Database, listed: Collection[str], before: datetime) -> int:
    """Remove missing manifests from the index, except those indexed since the store was listed."""
    known = list_known(database)
    lost = [manifest for manifest, _, made_at in known if manifest not in listed and made_at < before]
    for batch in batches(lost, _BATCH):
        forget_manifests(database, batch)
    return len(lost)
