"""Garbage collection: what nothing names goes into the trash, and from there, when nothing has asked for it, for good.

Both times an object must have been left alone for longer than the grace period, in which every step that writes has
ended. A writer that finds a blob sends it no more; if the blob is moved away before the manifest that names it is
there, it is read from the trash and brought back the next time.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from nightloom.artifacts.stages import StageResult
from nightloom.core.errors import RegistryError
from nightloom.core.names import BLOB, Named
from nightloom.core.ownership import claim_prefix
from nightloom.core.replacements import Replacement
from nightloom.core.s3 import StoredObject
from nightloom.core.store import TRASH, ObjectStore
from nightloom.core.trash import key_of, move_to_trash, restore
from nightloom.registry.database import Database
from nightloom.registry.graph import find_reachable
from nightloom.registry.index import forget_manifests, list_known, make_entry, note_entries
from nightloom.registry.roots import Root, list_roots, read_registry_id
from nightloom.snapshots.inventory import Inventory, list_named, read_manifests, take_inventory

logger = logging.getLogger(__name__)

Fate = Literal["kept", "restored", "into trash", "waits in trash", "deleted", "erased"]
FATES: tuple[Fate, ...] = get_args(Fate)
GRACE = timedelta(hours=48)

_THREADS = 8
_PAGE = 10_000


def _erase(store: ObjectStore, key: str) -> None:
    store.bucket.delete(key)
    store.bucket.delete(TRASH + key)


_ACTIONS: Mapping[str, Callable[[ObjectStore, str], None]] = {
    "into trash": move_to_trash,
    "restored": restore,
    "deleted": lambda store, key: store.bucket.delete(TRASH + key),
    "erased": _erase,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an object, and why."""

    name: Named
    fate: Fate
    reason: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Found:
    needed: Mapping[Named, str]
    replaced: Collection[Named]
    named: Collection[Named]  # by a manifest that lies in its place, needed or not
    before: datetime


def collect_garbage(
    store: ObjectStore, database: Database, *, now: datetime, grace: timedelta = GRACE, dry_run: bool = False
) -> list[Decision]:
    """Decide on every blob and manifest, and do it; killed at any place, it goes on when it is run again.

    Args:
        store: What is cleaned.
        database: The registry that owns the store's prefix; its index tells what is needed.
        now: The present time.
        grace: For how long an object must have been left alone; longer than any step of a night takes.
        dry_run: Decide alone.

    Raises:
        InputError: The prefix belongs to another registry, or holds manifests that this version does not know.
        RegistryError: The store has manifests that the index does not know: what they name would be lost.
        ManifestError: A manifest is damaged: nothing is collected on half of the truth.
    """
    claim_prefix(store, read_registry_id(database))
    inventory = take_inventory(store)
    # After the listing: what was named since is kept, and what was written since is not in the list.
    known = list(list_known(database))
    _refuse_unknown(store, database, inventory, {manifest for manifest, _, _ in known}, before=now - grace)
    decisions = decide(store, database, inventory, before=now - grace)
    if not dry_run:
        # Manifests first, so that none is left whose blobs are gone.
        manifests = [one for one in decisions if one.name.kind != BLOB]
        _carry_out(store, manifests)
        _carry_out(store, [one for one in decisions if one.name.kind == BLOB])
        # Last: of what is gone the index may tell, and nothing may lie there that it does not tell of.
        there = {one.name.digest for one in manifests if one.fate != "deleted" or one.name in inventory.objects}
        lost = [Named(kind, digest) for digest, kind, made_at in known if digest not in there and made_at < now - grace]
        forget_manifests(database, [name.digest for name in lost if not store.bucket.has(key_of(name))])
    return decisions


def decide(store: ObjectStore, database: Database, inventory: Inventory, *, before: datetime) -> list[Decision]:
    """Decide on all objects: those that were written before a time, and that no root leads to, go.

    Manifests that are not as old are roots too: the night that wrote them may not be over.
    """
    found = _find_needed(store, database, inventory, before)
    lying = (Decision(name, *_judge(name, one, found), one.size_bytes) for name, one in inventory.objects.items())
    waiting = (
        Decision(name, *_judge_waiting(name, one, found, inventory.objects), one.size_bytes)
        for name, one in inventory.trash.items()
    )
    return [*lying, *waiting]


def count_by_reason(decisions: Iterable[Decision]) -> list[tuple[Fate, str, int, int]]:
    """Return objects and bytes of each fate and reason."""
    sums: dict[tuple[Fate, str], list[int]] = {}
    for one in decisions:
        total = sums.setdefault((one.fate, one.reason), [0, 0])
        total[0] += 1
        total[1] += one.size_bytes
    ordered = sorted(sums.items(), key=lambda item: (FATES.index(item[0][0]), item[0][1]))
    return [(fate, reason, objects, size_bytes) for (fate, reason), (objects, size_bytes) in ordered]


def _refuse_unknown(
    store: ObjectStore, database: Database, inventory: Inventory, known: Collection[str], before: datetime
) -> None:
    """Check that the index knows every manifest; one that is not as old as a time is noted now.

    Whoever published it may just be about to say so, or was killed before.
    """
    unknown = [name for name in inventory.list_manifests() if name.digest not in known]
    lying = [inventory.objects[name] for name in unknown if name in inventory.objects]
    if len(lying) < len(unknown) or any(one.modified_at < before for one in lying):
        msg = (
            f"the index does not know {len(unknown)} of the manifests in the store, such as {unknown[0].kind} "
            f"{unknown[0].digest}, so nothing is deleted; `nightloom registry rebuild` makes the index again"
        )
        raise RegistryError(msg)
    times = (one.modified_at for one in lying)
    read = zip(read_manifests(store, unknown), times, strict=True)
    note_entries(database, [make_entry(manifest, store.get_blob, made_at) for (_, manifest), made_at in read])


def _find_needed(store: ObjectStore, database: Database, inventory: Inventory, before: datetime) -> _Found:
    manifests = inventory.list_manifests()
    young = {
        one.digest: "new"
        for one in manifests
        if one in inventory.objects and inventory.objects[one].modified_at >= before
    }
    reached = find_reachable(database, {**young, **{root.manifest: root.reason for root in _list_roots(database)}})
    needed = {one: reached[one.digest] for one in manifests if one.digest in reached}
    named: set[Named] = set()
    replacements: dict[Named, Named] = {}
    stages: dict[Named, StageResult] = {}
    wanted = (one for one in manifests if one in inventory.objects or one in needed)
    for name, manifest in read_manifests(store, wanted):
        names = list_named(store, manifest)
        if name in needed:
            needed |= {one: needed[name] for one in names if one.kind == BLOB and one not in needed}
        if name in inventory.objects:
            named |= inventory.trash.keys() & set(names)
        if isinstance(manifest, Replacement):
            replacements[Named(BLOB, manifest.key.blob)] = Named(BLOB, manifest.result.blob)
        if isinstance(manifest, StageResult):
            stages[name] = manifest
    needed |= _keep_replacements(needed, replacements)
    needed |= dict.fromkeys(_keep_stages(stages, reached), "stage of what is kept")
    return _Found(needed, replacements.keys(), named, before)


def _list_roots(database: Database) -> Iterator[Root]:
    page: list[Root] = []
    while True:
        page = list_roots(database, after=page[-1].manifest if page else "", limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return


def _keep_replacements(needed: Mapping[Named, str], replacements: Mapping[Named, Named]) -> dict[Named, str]:
    """Return what stands in for the blobs that are needed: each replacement, and the blob that it names."""
    kept: dict[Named, str] = {}
    for blob in replacements.keys() & needed.keys():
        reason, standing = needed[blob], blob
        while standing in replacements:
            kept[Named(Replacement.kind, Replacement.id_of(Replacement.Key(blob=standing.digest)))] = reason
            standing = replacements[standing]
            kept[standing] = reason
    return kept


def _keep_stages(stages: Mapping[Named, StageResult], reached: Collection[str]) -> Iterator[Named]:
    """Return the ends of stages one of whose members is kept, and the last of each stage of a night."""
    last: dict[tuple[str, str, str], Named] = {}
    for name, stage in sorted(stages.items(), key=lambda item: (item[1].provenance.ended_at, item[0].digest)):
        last[stage.content.recipe, stage.content.night, stage.content.stage] = name
        if any(member in reached for ids in stage.content.members.values() for member in ids):
            yield name
    yield from last.values()


def _judge(name: Named, one: StoredObject, found: "_Found") -> tuple[Fate, str]:
    if name in found.replaced:
        return "erased", "rows of it were erased"
    if name in found.needed:
        return "kept", found.needed[name]
    return ("kept", "new") if one.modified_at >= found.before else ("into trash", "nothing names it")


def _judge_waiting(name: Named, one: StoredObject, found: "_Found", objects: Collection[Named]) -> tuple[Fate, str]:
    if name in found.replaced:
        return "erased", "rows of it were erased"
    if name in found.needed:
        is_back = name in objects
        return ("deleted", "it lies in its place again") if is_back else ("restored", found.needed[name])
    if name in found.named:
        return "waits in trash", "what names it goes first"
    # What lies in its place too may be on its way here.
    is_due = one.modified_at < found.before and name not in objects
    return "deleted" if is_due else "waits in trash", "nothing names it"


def _carry_out(store: ObjectStore, decisions: Iterable[Decision]) -> None:
    due = [one for one in decisions if one.fate in _ACTIONS]
    with ThreadPoolExecutor(_THREADS) as pool:
        for one in pool.map(lambda one: (_ACTIONS[one.fate](store, key_of(one.name)), one)[1], due):
            logger.debug("%s %s: %s, %s", one.name.kind, one.name.digest, one.fate, one.reason)
