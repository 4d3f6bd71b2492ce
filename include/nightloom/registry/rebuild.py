"""Rebuild: the index (manifests, edges, members), compared with the store and made again from it.

Refs, log and nights are left alone.
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
"""Kinds that name others whatever they are of: those are to be known before."""

_YOUNG = timedelta(hours=1)
"""How old a manifest is that its writer may not have noted yet."""

_BATCH = 500
_THREADS = 16


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to.

    Attributes:
        manifests: In the store.
        added: Of those, how many the index did not know.
        forgotten: Manifests of the index that the store has no more.
        damaged: Keys of manifests that cannot be read: the index does not know what they name.
    """

    manifests: int
    added: int
    forgotten: int
    damaged: tuple[str, ...]


def rebuild_index(
    store: ObjectStore, database: Database, on_progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Rebuilt:
    """Make the index again from what lies in the store. Killed at any place, it is complete when it is run again.

    Args:
        store: Is listed once; each manifest is read.
        database: The registry that owns the store's prefix.
        on_progress: Is called with the manifests done, and all there are.

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
    """Check that the index has every manifest of the store and no other; return how many it has.

    The store is listed, and no manifest read. One of the last hour may be in one of the two alone. Garbage that is
    collected meanwhile may look like a difference: it is gone when this is tried again.

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
            f"the index and the store differ, such as in {example.kind} {example.digest} (manifests in the store "
            f"alone: {len(unknown)}, in the index alone: {len(lost)}); `nightloom registry rebuild` makes the index "
            f"again"
        )
        raise RegistryError(msg)
    return len(known)


def list_manifests(store: ObjectStore) -> Mapping[Named, datetime]:
    """Return all manifests of the store, in the trash too, and when each was written.

    Raises:
        InputError: One is of a kind that this version does not know.
    """
    found: dict[Named, datetime] = {}
    for folder in (f"{TRASH}manifests/", "manifests/"):
        found |= {name: one.modified_at for one in store.bucket.list_objects(folder) if (name := name_of(one.key))}
    refuse_unknown_kinds(found)
    return found


def refuse_unknown_kinds(names: Collection[Named]) -> None:
    """Check that all manifests are of kinds that are known: what others name, nobody here can tell.

    Raises:
        InputError: One is not.
    """
    unknown = {name.kind for name in names} - KINDS.keys()
    if unknown:
        msg = f"the store has {min(unknown)!r} manifests, of a kind which this Nightloom does not know; use a newer one"
        raise InputError(msg)


def _read(store: ObjectStore, name: Named, made_at: datetime) -> Entry | None:
    try:
        return make_entry(store.load(KINDS[name.kind], name.digest), store.get_blob, made_at)
    except ManifestError as error:
        logger.warning("%s", error)
        return None


def _forget_lost(database: Database, there: Collection[str], before: datetime) -> int:
    """Forget the manifests that are not there, but those that were noted since the store was listed."""
    known = list_known(database)
    lost = [manifest for manifest, _, made_at in known if manifest not in there and made_at < before]
    for batch in batches(lost, _BATCH):
        forget_manifests(database, batch)
    return len(lost)
