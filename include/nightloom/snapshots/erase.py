"""Erasure: rewrite every blob that holds a row without it, in all nights of a recipe, and keep it out of later nights.

Ids and digests stay: the ledger's lines, and the row's leaf, which is needed to verify a snapshot. They do not reveal
the row's text. Someone who has the text can still prove with a digest that it was here.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import polars as pl

from nightloom.artifacts.data import Curated, Preparation, Records, Snapshot
from nightloom.artifacts.frames import EXAMPLES, RECORDS, get_frame
from nightloom.artifacts.histories import item_id
from nightloom.artifacts.ids import AdapterId, CuratedId
from nightloom.artifacts.kinds import KINDS
from nightloom.artifacts.leaves import sha256
from nightloom.artifacts.parts import find_part
from nightloom.artifacts.rewriting import HOLDING_TEXT, OF_ITEMS, Rewritten, find_rows, rewrite_blob
from nightloom.core.errors import FaultError, InputError
from nightloom.core.manifests import Manifest
from nightloom.core.names import BLOB, Named, list_names
from nightloom.core.ownership import claim_prefix
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.erasures import begin_erasure, find_erasure, finish_erasure
from nightloom.registry.graph import find_reachable
from nightloom.registry.members import list_ids_by_recipe
from nightloom.registry.nights import list_unfinished_nights
from nightloom.registry.questions import list_learners
from nightloom.registry.roots import read_registry_id
from nightloom.snapshots.inventory import read_manifests, take_inventory


@dataclass(frozen=True, slots=True)
class Erased:
    """Result of an erasure, for the person who asked for it."""

    recipes: tuple[str, ...]  # whose data held the row; shared data is erased for all of them
    blobs: Mapping[str, int]  # number of blobs that held it, by content
    adapters: tuple[AdapterId, ...]  # trained on it
    unfinished_nights: tuple[str, ...]  # may have read it before, so it must be erased again after them


@dataclass(frozen=True, slots=True)
class _Holding:
    """A blob that holds the row, the ids under which it does, and the recipes whose manifests name it."""

    found: Rewritten
    ids: tuple[str, ...]
    recipes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Use:
    """A manifest of some recipes, and a blob that it names and that may hold the row."""

    manifest: Named
    blob: str
    content: str
    recipes: frozenset[str]


def erase_row(store: ObjectStore, database: Database, recipe: str, row_id: str, *, who: str, why: str) -> Erased:
    """Erase a row, or an evaluation item by its id. After a kill at any point, run it again to finish.

    Raises:
        InputError: No night of the recipe has this row, or the store belongs to another registry.
        ManifestError: A manifest or a blob is damaged, so that its content is unknown.
    """
    claim_prefix(store, read_registry_id(database))
    uses = _list_uses(store, database, row_id)
    recipes, holdings = _find_all_holdings(store, uses, recipe, row_id)
    before = find_erasure(database, recipe, row_id)
    if not holdings and before is None:
        msg = f"no night of {recipe} has a row {row_id!r}; check its key with `nightloom row show {recipe} {row_id}`"
        raise InputError(msg)
    shards = {holding.found.blob for holding in holdings if "train" in holding.found.splits}
    learned = (use.manifest for use in uses if use.blob in shards and use.manifest.kind == Snapshot.kind)
    adapters = list_learners(database, {Snapshot.as_id(one.digest) for one in learned})
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


def refuse_erased(store: ObjectStore, curated_id: CuratedId, erased: Collection[str]) -> None:
    """Raise if an example of a curated batch was erased after its night had read the source.

    Args:
        store: Holds the batch.
        curated_id: The batch.
        erased: SHA-256 of the ids of erased rows.

    Raises:
        FaultError: An example was erased.
    """
    for part in store.load(Curated, curated_id).content.examples if erased else ():
        digests = get_frame(store, part, EXAMPLES).select(sha256(pl.col("row_id")))["row_id"]
        if digests.is_in(list(erased)).any():
            msg = (
                "a row was erased while this night processed it; run the night again from the start, "
                "and then `nightloom row erase` for that row"
            )
            raise FaultError(msg)


def _list_uses(store: ObjectStore, database: Database, row_id: str) -> list[_Use]:
    """Return the manifests that name blobs that may hold a row, with the recipes whose results lead to them."""
    owners: dict[str, set[str]] = {}
    for recipe, members in list_ids_by_recipe(database).items():
        for manifest_id in find_reachable(database, dict.fromkeys(members, "made")):
            owners.setdefault(manifest_id, set()).add(recipe)
    manifests = (name for name in take_inventory(store).list_manifests() if _may_hold_text(name.kind))
    return [
        _Use(name, blob, content, frozenset(owners.get(name.digest, ())))
        for name, manifest in read_manifests(store, manifests)
        for blob, content in _list_blobs(manifest, row_id)
    ]


@cache
def _may_hold_text(kind: str) -> bool:
    schema = json.dumps(KINDS[kind].model_json_schema())
    return any(f"digest of {BLOB} of {content}" in schema for content in HOLDING_TEXT)


def _find_all_holdings(
    store: ObjectStore, uses: Collection[_Use], recipe: str, row_id: str
) -> tuple[list[str], list[_Holding]]:
    """Return the sorted recipes that share blobs with the row, starting from one recipe, and these blobs."""
    recipes: frozenset[str] = frozenset()
    found = frozenset({recipe})
    holdings: list[_Holding] = []
    while found != recipes:
        recipes = found
        holdings = list(_find_holdings(store, uses, recipes, row_id))
        found = recipes.union(*(holding.recipes for holding in holdings))
    return sorted(recipes), holdings


def _find_holdings(
    store: ObjectStore, uses: Collection[_Use], recipes: frozenset[str], row_id: str
) -> Iterator[_Holding]:
    """Return the blobs of some recipes, and of no recipe, that hold a row or an item made from it."""
    owners: dict[tuple[str, str], set[str]] = {}
    ours: set[tuple[str, str]] = set()
    for use in uses:
        owners.setdefault((use.blob, use.content), set()).update(use.recipes)
        if recipes & use.recipes or not use.recipes:
            ours.add((use.blob, use.content))
    items = {row_id}
    for content in HOLDING_TEXT:
        ids = tuple(sorted(items)) if content in (*OF_ITEMS, "answers") else (row_id,)
        for digest, _ in sorted(blob for blob in ours if blob[1] == content):
            found = find_rows(store, digest, content, ids)
            if found is not None:
                yield _Holding(found, ids, frozenset(owners[digest, content]))
            if found is not None and content == "records":
                items |= set(_list_items(store, digest, row_id))


def _list_blobs(manifest: Manifest, row_id: str) -> Iterator[tuple[str, str]]:
    """Return the blobs of a manifest that may hold a row; of frames cut by row id, only its part."""
    skipped: set[str] = set()
    if isinstance(manifest, Records):
        skipped = {*manifest.content.parts} - {find_part(manifest.content.parts, row_id) or ""}
    elif isinstance(manifest, (Curated, Preparation)):
        skipped = {*manifest.content.quarantine} - {find_part(manifest.content.quarantine, row_id) or ""}
    for name in list_names(manifest):
        if name.kind == BLOB and name.content in HOLDING_TEXT and name.digest not in skipped:
            yield name.digest, name.content


def _list_items(store: ObjectStore, blob: str, row_id: str) -> Iterator[str]:
    """Return the ids of evaluation items with the content of a row."""
    rows = get_frame(store, blob, RECORDS).filter(row_id=row_id).drop_nulls(["text", "answer"])
    for content in rows.select("text", "answer", "history").iter_rows():
        yield item_id(*content)
