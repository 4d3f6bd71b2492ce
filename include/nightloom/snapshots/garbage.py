"""Garbage collection: move unreferenced objects into the trash, and delete them from there later.

For both, an object must be older than the grace period, which is longer than any step that writes. A writer that finds
a blob does not send it again. If the blob moves into the trash before the manifest that names it exists, readers find
it in the trash, and the next collection restores it.
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

Action = Literal["kept", "restored", "into trash", "waits in trash", "deleted", "erased"]
ACTIONS: tuple[Action, ...] = get_args(Action)
GRACE = timedelta(hours=48)

_THREADS = 8
_PAGE = 10_000


def _erase(store: ObjectStore, key: str) -> None:
    store.bucket.delete(key)
    store.bucket.delete(TRASH + key)


_EXECUTE: Mapping[str, Callable[[ObjectStore, str], None]] = {
    "into trash": move_to_trash,
    "restored": restore,
    "deleted": lambda store, key: store.bucket.delete(TRASH + key),
    "erased": _erase,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to an object, and why."""

    name: Named
    action: Action
    reason: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Found:
    needed: Mapping[Named, str]
    replaced: Collection[Named]
    named: Collection[Named]  # by a manifest outside the trash, needed or not
    before: datetime


def collect_garbage(
    store: ObjectStore, database: Database, *, now: datetime, grace: timedelta = GRACE, dry_run: bool = False
) -> list[Decision]:
    """Decide on every blob and manifest, and execute. After a kill at any point, run it again to finish.

    Args:
        store: The store to clean.
        database: The registry that owns the store's prefix, with the index of what is needed.
        now: The present time.
        grace: Minimum age of an object; longer than any step of a night.
        dry_run: Only decide.

    Raises:
        InputError: The prefix belongs to another registry, or holds manifests that this version does not know.
        RegistryError: The index lacks manifests of the store, so that needed objects could be lost.
        ManifestError: A manifest is damaged, so what it names is unknown; nothing is collected.
    """
    claim_prefix(store, read_registry_id(database))
    inventory = take_inventory(store)
    # After the inventory: objects named since are kept, and objects written since are not in the inventory.
    known = list(list_known(database))
    _refuse_unknown(store, database, inventory, {manifest for manifest, _, _ in known}, before=now - grace)
    decisions = decide(store, database, inventory, before=now - grace)
    if not dry_run:
        # Manifests first, so that no manifest is left without its blobs.
        manifests = [one for one in decisions if one.name.kind != BLOB]
        _carry_out(store, manifests)
        _carry_out(store, [one for one in decisions if one.name.kind == BLOB])
        # Last: the index may name deleted manifests for a while, but must never lack one that exists.
        left = {one.name.digest for one in manifests if one.action != "deleted" or one.name in inventory.objects}
        lost = [Named(kind, digest) for digest, kind, made_at in known if digest not in left and made_at < now - grace]
        forget_manifests(database, [name.digest for name in lost if not store.bucket.has(key_of(name))])
    return decisions


def decide(store: ObjectStore, database: Database, inventory: Inventory, *, before: datetime) -> list[Decision]:
    """Decide on all objects: those that are old enough and that no root leads to are removed.

    Newer manifests are roots too, because the night that wrote them may still be running.
    """
    found = _find_needed(store, database, inventory, before)
    present = (
        Decision(name, *_choose_action(name, one, found), one.size_bytes) for name, one in inventory.objects.items()
    )
    in_trash = (
        Decision(name, *_choose_action_in_trash(name, one, found, inventory.objects), one.size_bytes)
        for name, one in inventory.trash.items()
    )
    return [*present, *in_trash]


def count_by_reason(decisions: Iterable[Decision]) -> list[tuple[Action, str, int, int]]:
    """Return the number and bytes of objects for each action and reason."""
    sums: dict[tuple[Action, str], list[int]] = {}
    for one in decisions:
        total = sums.setdefault((one.action, one.reason), [0, 0])
        total[0] += 1
        total[1] += one.size_bytes
    ordered = sorted(sums.items(), key=lambda item: (ACTIONS.index(item[0][0]), item[0][1]))
    return [(action, reason, objects, size_bytes) for (action, reason), (objects, size_bytes) in ordered]


def _refuse_unknown(
    store: ObjectStore, database: Database, inventory: Inventory, known: Collection[str], before: datetime
) -> None:
    """Raise if the index lacks an old manifest; newer ones are added to the index.

    The writer of a newer one may be about to index it, or was killed before that.
    """
    unknown = [name for name in inventory.list_manifests() if name.digest not in known]
    present = [inventory.objects[name] for name in unknown if name in inventory.objects]
    if len(present) < len(unknown) or any(one.modified_at < before for one in present):
        msg = (
            f"the index lacks {len(unknown)} of the manifests in the store, such as {unknown[0].kind} "
            f"{unknown[0].digest}, so nothing is deleted; run `nightloom registry rebuild` to rebuild the index"
        )
        raise RegistryError(msg)
    times = (one.modified_at for one in present)
    read = zip(read_manifests(store, unknown), times, strict=True)
    note_entries(database, [make_entry(manifest, store.get_blob, made_at) for (_, manifest), made_at in read])


def _find_needed(store: ObjectStore, database: Database, inventory: Inventory, before: datetime) -> _Found:
    manifests = inventory.list_manifests()
    recent = {
        one.digest: "new"
        for one in manifests
        if one in inventory.objects and inventory.objects[one].modified_at >= before
    }
    reached = find_reachable(database, {**recent, **{root.manifest: root.reason for root in _list_roots(database)}})
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
    needed |= dict.fromkeys(_keep_stages(stages, reached), "stage of a kept object")
    return _Found(needed, replacements.keys(), named, before)


def _list_roots(database: Database) -> Iterator[Root]:
    page: list[Root] = []
    while True:
        page = list_roots(database, after=page[-1].manifest if page else "", limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return


def _keep_replacements(needed: Mapping[Named, str], replacements: Mapping[Named, Named]) -> dict[Named, str]:
    """Return the replacements of needed blobs, and the blobs that replace them."""
    kept: dict[Named, str] = {}
    for blob in replacements.keys() & needed.keys():
        reason, current = needed[blob], blob
        while current in replacements:
            kept[Named(Replacement.kind, Replacement.id_of(Replacement.Key(blob=current.digest)))] = reason
            current = replacements[current]
            kept[current] = reason
    return kept


def _keep_stages(stages: Mapping[Named, StageResult], reached: Collection[str]) -> Iterator[Named]:
    """Return the stage results with a member that is kept, and the last one of each stage of a night."""
    last: dict[tuple[str, str, str], Named] = {}
    for name, stage in sorted(stages.items(), key=lambda item: (item[1].provenance.ended_at, item[0].digest)):
        last[stage.content.recipe, stage.content.night, stage.content.stage] = name
        if any(member in reached for ids in stage.content.members.values() for member in ids):
            yield name
    yield from last.values()


def _choose_action(name: Named, one: StoredObject, found: "_Found") -> tuple[Action, str]:
    if name in found.replaced:
        return "erased", "replaced after an erasure"
    if name in found.needed:
        return "kept", found.needed[name]
    return ("kept", "new") if one.modified_at >= found.before else ("into trash", "unreferenced")


def _choose_action_in_trash(
    name: Named, one: StoredObject, found: "_Found", objects: Collection[Named]
) -> tuple[Action, str]:
    if name in found.replaced:
        return "erased", "replaced after an erasure"
    if name in found.needed:
        is_back = name in objects
        return ("deleted", "a copy outside the trash exists") if is_back else ("restored", found.needed[name])
    if name in found.named:
        return "waits in trash", "its manifest is removed first"
    # An object that is also outside the trash may be on its way into it.
    is_due = one.modified_at < found.before and name not in objects
    return "deleted" if is_due else "waits in trash", "unreferenced"


def _carry_out(store: ObjectStore, decisions: Iterable[Decision]) -> None:
    due = [one for one in decisions if one.action in _EXECUTE]
    with ThreadPoolExecutor(_THREADS) as pool:
        for one in pool.map(lambda one: (_EXECUTE[one.action](store, key_of(one.name)), one)[1], due):
            logger.debug("%s %s: %s, %s", one.name.kind, one.name.digest, one.action, one.reason)
