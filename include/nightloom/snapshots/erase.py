"""Erase: every blob that holds a row is rewritten without it, in all nights of a recipe, and no night takes it again.

Ids and digests stay: the ledger's lines, and the leaf by which a snapshot can still be verified. What the row's words
were is told by none of them, though who has the words can prove by a digest that they were here.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from nightloom.artifacts.data import Curated, Preparation, Records, Snapshot
from nightloom.artifacts.frames import EXAMPLES, RECORDS, get_frame
from nightloom.artifacts.histories import item_id
from nightloom.artifacts.leaves import sha256
from nightloom.artifacts.parts import find_part
from nightloom.artifacts.rewriting import HOLDING_TEXT, OF_ITEMS, Rewritten, find_rows, rewrite_blob
from nightloom.artifacts.training import Trial
from nightloom.core.errors import FaultError, InputError
from nightloom.core.manifests import Manifest
from nightloom.core.names import BLOB, Named, list_names
from nightloom.core.ownership import claim_prefix
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.erasures import begin_erasure, find_erasure, finish_erasure
from nightloom.registry.nights import list_unfinished_nights
from nightloom.registry.roots import list_manifest_recipes, read_registry_id
from nightloom.snapshots.inventory import Inventory, take_inventory


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, and what a person has to know of it."""

    recipes: tuple[str, ...]  # whose data held the row: what recipes share is erased for all of them
    blobs: Mapping[str, int]  # how many of each sort held it
    adapters: tuple[str, ...]  # that learned from it
    unfinished_nights: tuple[str, ...]  # that may have read it before, so that it must be erased again after them


@dataclass(frozen=True, slots=True)
class _Holding:
    """A blob that holds the row, the ids by which it does, and the recipes whose manifests name it."""

    found: Rewritten
    ids: tuple[str, ...]
    recipes: frozenset[str]


def erase_row(store: ObjectStore, database: Database, recipe: str, row_id: str, *, who: str, why: str) -> Erased:
    """Erase a row, or an evaluation item by its id. Killed at any place, it goes on when it is run again.

    Raises:
        InputError: No night of the recipe has such a row, or the store belongs to another registry.
        ManifestError: A manifest or a blob is damaged, so that nobody can say what is in it.
    """
    claim_prefix(store, read_registry_id(database))
    inventory = take_inventory(store)
    owners = _find_owners(inventory, list_manifest_recipes(database))
    recipes, holdings = _find_all_holdings(store, inventory, owners, recipe, row_id)
    before = find_erasure(database, recipe, row_id)
    if not holdings and before is None:
        msg = f"no night of {recipe} has a row {row_id!r}; check its key with `nightloom row show {recipe} {row_id}`"
        raise InputError(msg)
    adapters = find_adapters(inventory, {holding.found.blob for holding in holdings if "train" in holding.found.splits})
    for one in recipes:
        begin_erasure(database, one, row_id, adapters=adapters, who=who, why=why)
    for holding in holdings:
        rewrite_blob(store, holding.found.blob, holding.found.content, holding.ids)
    for one in recipes:
        finish_erasure(database, one, row_id)
    contents = [holding.found.content for holding in holdings]
    return Erased(
        recipes=tuple(recipes),
        blobs={content: contents.count(content) for content in HOLDING_TEXT if content in contents},
        adapters=tuple(sorted({*adapters, *(before.adapters if before else ())})),
        unfinished_nights=tuple(sorted({night for one in recipes for night in list_unfinished_nights(database, one)})),
    )


def refuse_erased(store: ObjectStore, curated_id: str, erased: Collection[str]) -> None:
    """Check that no example of a curated batch was erased after its night had read the source.

    Args:
        store: Holds the batch.
        curated_id: The batch.
        erased: SHA-256 of the ids of erased rows.

    Raises:
        FaultError: One was.
    """
    for part in store.load(Curated, curated_id).content.examples if erased else ():
        digests = get_frame(store, part, EXAMPLES).select(sha256(pl.col("row_id")))["row_id"]
        if digests.is_in(list(erased)).any():
            msg = (
                "a row was erased while this night was at work with it; run the night again from its beginning, "
                "and then `nightloom row erase` for that row"
            )
            raise FaultError(msg)


def find_adapters(inventory: Inventory, shards: Collection[str]) -> list[str]:
    """Give the adapters that were trained on a snapshot with one of these shards, sorted."""
    manifests = inventory.manifests.items()
    snapshots = {
        name.digest
        for name, one in manifests
        if isinstance(one, Snapshot) and any(file.sha256 in shards for file in one.provenance.files)
    }
    trials = (one for _, one in manifests if isinstance(one, Trial) and one.key.snapshot in snapshots)
    return sorted({trial.result.adapter for trial in trials})


def _find_owners(inventory: Inventory, recipes: Mapping[str, Collection[str]]) -> dict[Named, frozenset[str]]:
    """Give the recipes that each manifest belongs to: those that made it, or anything that leads to it."""
    roots: dict[str, dict[Named, str]] = {}
    for name, manifest in inventory.manifests.items():
        told = {getattr(part, "recipe", None) for _, part in manifest}
        for recipe in {*recipes.get(name.digest, ()), *told} - {None}:
            roots.setdefault(str(recipe), {})[name] = "made"
    reached = {recipe: inventory.reach(found) for recipe, found in roots.items()}
    return {name: frozenset(recipe for recipe in reached if name in reached[recipe]) for name in inventory.manifests}


def _find_all_holdings(
    store: ObjectStore, inventory: Inventory, owners: Mapping[Named, frozenset[str]], recipe: str, row_id: str
) -> tuple[list[str], list[_Holding]]:
    """Give the blobs that hold a row, of a recipe and of all that share one of them, and those recipes, sorted."""
    recipes: frozenset[str] = frozenset()
    found = frozenset({recipe})
    holdings: list[_Holding] = []
    while found != recipes:
        recipes = found
        holdings = list(_find_holdings(store, inventory, owners, recipes, row_id))
        found = recipes.union(*(holding.recipes for holding in holdings))
    return sorted(recipes), holdings


def _find_holdings(
    store: ObjectStore,
    inventory: Inventory,
    owners: Mapping[Named, frozenset[str]],
    recipes: frozenset[str],
    row_id: str,
) -> Iterator[_Holding]:
    """Give the blobs of some recipes, and of nobody, that hold a row or an item that it became."""
    of_blobs: dict[tuple[str, str], set[str]] = {}
    ours: set[tuple[str, str]] = set()
    for name, manifest in inventory.manifests.items():
        for blob in _list_blobs(manifest, row_id):
            of_blobs.setdefault(blob, set()).update(owners[name])
            if recipes & owners[name] or not owners[name]:
                ours.add(blob)
    items = {row_id}
    for content in HOLDING_TEXT:
        ids = tuple(sorted(items)) if content in (*OF_ITEMS, "answers") else (row_id,)
        for digest, _ in sorted(blob for blob in ours if blob[1] == content):
            found = find_rows(store, digest, content, ids)
            if found is not None:
                yield _Holding(found, ids, frozenset(of_blobs[digest, content]))
            if found is not None and content == "records":
                items |= set(_list_items(store, digest, row_id))


def _list_blobs(manifest: Manifest, row_id: str) -> Iterator[tuple[str, str]]:
    """Give the blobs of a manifest that may hold a row; of frames that are cut by its id, the one part."""
    skipped: set[str] = set()
    if isinstance(manifest, Records):
        skipped = {*manifest.content.parts} - {find_part(manifest.content.parts, row_id) or ""}
    elif isinstance(manifest, (Curated, Preparation)):
        skipped = {*manifest.content.quarantine} - {find_part(manifest.content.quarantine, row_id) or ""}
    for name in list_names(manifest):
        if name.kind == BLOB and name.content in HOLDING_TEXT and name.digest not in skipped:
            yield name.digest, name.content


def _list_items(store: ObjectStore, blob: str, row_id: str) -> Iterator[str]:
    """Give the ids that evaluation items with the words of a row have."""
    rows = get_frame(store, blob, RECORDS).filter(row_id=row_id).drop_nulls(["text", "answer"])
    for words in rows.select("text", "answer", "history").iter_rows():
        yield item_id(*words)
