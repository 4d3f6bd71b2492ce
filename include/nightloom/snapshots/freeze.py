"""Freezing: turn curated examples into a snapshot, whose id depends only on its rows."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import date
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from nightloom.artifacts.data import Curated, Snapshot, SnapshotContent, SnapshotProvenance
from nightloom.artifacts.frames import EXAMPLES, get_frame
from nightloom.artifacts.ids import CuratedId, SnapshotId
from nightloom.core.counts import show_count
from nightloom.core.digests import merkle_root, short
from nightloom.core.errors import InputError, InternalError
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.snapshots.shards import (
    Shard,
    ShardCache,
    ShardRows,
    ShardSize,
    cut_tables,
    describe_rows,
    fingerprint,
    store_shard,
)

logger = logging.getLogger(__name__)


# Compressing, hashing and sending run in parallel.
_THREADS = 4
_HELD = 8  # shards in memory


def build_snapshot(
    store: ObjectStore, curated_id: CuratedId, *, recipe: str, night: date, parent_id: SnapshotId | None
) -> Snapshot:
    """Freeze the examples of a curated batch.

    Args:
        store: Receives the snapshot.
        curated_id: The batch.
        recipe: Name of the recipe.
        night: Night that makes it.
        parent_id: The `latest` snapshot before this one, or None for the first.

    Raises:
        InputError: The batch was refused.
    """
    curated = store.load(Curated, curated_id).content
    if curated.refusal is not None:
        msg = f"curated batch {short(curated_id)} was refused, so it makes no snapshot: {curated.refusal}"
        raise InputError(msg)

    def read_tables() -> Iterator[pa.Table]:
        return (to_table(get_frame(store, blob, EXAMPLES)) for blob in curated.examples)

    return freeze_rows(store, read_tables, open_cache(), recipe=recipe, night=night, parent_id=parent_id)


def to_table(examples: pl.DataFrame) -> pa.Table:
    """Return examples as an Arrow table, in the types that Parquet keeps."""
    return examples.to_arrow(compat_level=pl.CompatLevel.oldest())


def freeze_rows(
    store: ObjectStore,
    read_tables: Callable[[], Iterable[pa.Table]],
    cache: ShardCache,
    *,
    recipe: str,
    night: date,
    parent_id: SnapshotId | None,
    size: ShardSize = ShardSize(),  # noqa: B008  # frozen
) -> Snapshot:
    """Freeze rows (EXAMPLES) in the given order; shards that the store has are not sent again.

    Memory holds a few shards at a time, and afterwards first all ids, then all leaves.

    Args:
        store: Receives the snapshot.
        read_tables: Reads the rows as consecutive tables; called again if the store has lost shards.
        cache: Cache of shards.
        recipe: Name of the recipe.
        night: Night that makes it.
        parent_id: The `latest` snapshot before this one, or None for the first.
        size: Size of shards.

    Raises:
        InternalError: A row id occurs twice.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        shards = list(_freeze(store, cache, cut_tables(read_tables(), size), pool))
        if (found := _find_snapshot(store, cache, shards)) is not None:
            return found
        known = [shard for shard in shards if shard.is_known]
        exist = list(pool.map(store.has_blob, (shard.file.sha256 for shard in known)))
    if not all(exist):
        for shard, exists in zip(known, exist, strict=True):
            if not exists:
                cache.evict(shard.key)
        return freeze_rows(store, read_tables, cache, recipe=recipe, night=night, parent_id=parent_id, size=size)
    identity = _identify([partial(_load_rows, store, shard) for shard in shards])
    cache.add_identity([shard.key for shard in shards], identity)
    files = tuple(shard.file for shard in shards)
    provenance = SnapshotProvenance(files=files, recipe=recipe, night=night.isoformat(), parent=parent_id)
    return store.publish(Snapshot(content=identity, provenance=provenance))


def open_cache() -> ShardCache:
    """Return this machine's cache of shards."""
    return ShardCache(get_settings().var_dir / "cache" / "shards")


def _freeze(store: ObjectStore, cache: ShardCache, pieces: Iterable[pa.Table], pool: Executor) -> Iterator[Shard]:
    """Return the shards of pieces in order, cached or stored now; a few are stored in parallel."""

    def freeze(rows: pa.Table) -> Shard:
        key = fingerprint(rows)
        return cache.find(key) or cache.add(key, *store_shard(store, rows))

    pending: deque[Future[Shard]] = deque()
    for rows in pieces:
        if len(pending) == _HELD:
            yield pending.popleft().result()
        pending.append(pool.submit(freeze, rows))
    yield from (one.result() for one in pending)


def _find_snapshot(store: ObjectStore, cache: ShardCache, shards: Sequence[Shard]) -> Snapshot | None:
    """Return the snapshot of these shards if it is cached and exists. It was written after all its files."""
    identity = cache.find_identity([shard.key for shard in shards])
    found = None if identity is None else store.find(Snapshot, identity)
    if found is not None:
        logger.info("snapshot %s is unchanged", short(found.id))
    return found


def _load_rows(store: ObjectStore, shard: Shard) -> ShardRows:
    """Return a shard's rows from the cache, or from the shard itself if the cache entry is gone."""
    try:
        return shard.load()
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return describe_rows(get_frame(store, shard.file.sha256, EXAMPLES))


def _identify(shards: Sequence[Callable[[], ShardRows]]) -> SnapshotContent:
    """Return the identity of the rows of shards. Each is read twice, so that ids and leaves are not held together."""
    ids, splits = [pl.Series("row_id", [], pl.String)], Counter[str]()
    for load in shards:
        rows = load()
        ids.append(rows.ids)
        splits.update(rows.splits)
    ranks = _rank(pl.concat(ids))
    leaves, start = np.empty((len(ranks), 32), np.uint8), 0
    for load in shards:
        some = load().leaves
        leaves[ranks[start : start + len(some)]] = some
        start += len(some)
    return SnapshotContent(
        rows_root=merkle_root(leaves.reshape(-1).data),
        columns=tuple(EXAMPLES),
        splits=dict(sorted(splits.items())),
    )


def _rank(ids: pl.Series) -> npt.NDArray[np.uint32]:
    """Return the rank of each row in the order of ids."""
    order = ids.arg_sort()
    in_order = ids.gather(order)
    duplicates = int((in_order == in_order.shift(1)).sum())
    if duplicates:
        counted = show_count(duplicates, "row of the snapshot has", "rows of the snapshot have")
        msg = f"{counted} a duplicate id; report this bug"
        raise InternalError(msg)
    ranks = np.empty(len(ids), np.uint32)
    ranks[order.to_numpy()] = np.arange(len(ids), dtype=np.uint32)
    return ranks
