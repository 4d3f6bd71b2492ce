"""Garbage collection: what nothing names goes into the trash, and from there, when nothing has asked for it, for good.

Both times an object must have been left alone for longer than the grace period, in which every step that writes has
ended. A writer that finds a blob sends it no more; if the blob is moved away before the manifest that names it is
there, it is read from the trash and brought back the next time.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from nightloom.core.names import BLOB, Named
from nightloom.core.ownership import claim_prefix
from nightloom.core.store import TRASH, ObjectStore
from nightloom.core.trash import StoredObject, delete_object, move_to_trash, restore
from nightloom.registry.database import Database
from nightloom.registry.roots import list_roots, read_registry_id
from nightloom.snapshots.inventory import Inventory, key_of, take_inventory

logger = logging.getLogger(__name__)

Fate = Literal["kept", "restored", "into trash", "waits in trash", "deleted", "erased"]
FATES: tuple[Fate, ...] = get_args(Fate)
GRACE = timedelta(hours=48)

_THREADS = 8


def _erase(store: ObjectStore, key: str) -> None:
    delete_object(store, key)
    delete_object(store, TRASH + key)


_ACTIONS: Mapping[str, Callable[[ObjectStore, str], None]] = {
    "into trash": move_to_trash,
    "restored": restore,
    "deleted": lambda store, key: delete_object(store, TRASH + key),
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
        database: The registry that owns the store's prefix.
        now: The present time.
        grace: For how long an object must have been left alone; longer than any step of a night takes.
        dry_run: Decide alone.

    Raises:
        InputError: The prefix belongs to another registry, or holds manifests that this version does not know.
        ManifestError: A manifest is damaged: nothing is collected on half of the truth.
    """
    claim_prefix(store, read_registry_id(database))
    inventory = take_inventory(store)
    # After the listing: what was named since is kept, and what was written since is not in the list.
    decisions = decide(inventory, list_roots(database), before=now - grace)
    if not dry_run:
        # Manifests first, so that none is left whose blobs are gone.
        for are_blobs in (False, True):
            _carry_out(store, [one for one in decisions if (one.name.kind == BLOB) == are_blobs])
    return decisions


def decide(inventory: Inventory, roots: Mapping[str, str], *, before: datetime) -> list[Decision]:
    """Decide on all objects: those that were written before a time, and that no root leads to, go.

    Blueprints are roots too, and so are manifests that are not as old: the night that wrote them may not be over.
    """
    blueprints = {
        one: "blueprint" for one in inventory.manifests if one.kind == "blueprint" and one in inventory.objects
    }
    young = {
        one: "new"
        for one in inventory.manifests
        if one in inventory.objects and inventory.objects[one].modified_at >= before
    }
    found = _Found(
        needed=inventory.reach({**young, **blueprints, **inventory.identify(roots)}),
        replaced={one for one in inventory.names if one.kind == BLOB},
        named={name for one in inventory.manifests if one in inventory.objects for name in inventory.names[one]},
        before=before,
    )
    lying = (Decision(name, *_judge(name, one, found), one.size_bytes) for name, one in inventory.objects.items())
    waiting = (
        Decision(name, *_judge_waiting(name, one, found, inventory.objects), one.size_bytes)
        for name, one in inventory.trash.items()
    )
    return [*lying, *waiting]


def count_by_reason(decisions: Iterable[Decision]) -> list[tuple[Fate, str, int, int]]:
    """Give objects and bytes of each fate and reason."""
    sums: dict[tuple[Fate, str], list[int]] = {}
    for one in decisions:
        total = sums.setdefault((one.fate, one.reason), [0, 0])
        total[0] += 1
        total[1] += one.size_bytes
    ordered = sorted(sums.items(), key=lambda item: (FATES.index(item[0][0]), item[0][1]))
    return [(fate, reason, objects, size_bytes) for (fate, reason), (objects, size_bytes) in ordered]


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
