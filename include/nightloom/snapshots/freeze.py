"""Freezing: curated examples become a snapshot, whose id depends on its rows and on nothing else."""

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


# Compressing, hashing and sending go on beside each other.
_THREADS = 4
_HELD = 8  # shards in memory


def build_snapshot(
    store: ObjectStore, curated_id: CuratedId, *, recipe: str, night: date, parent_id: SnapshotId | None
) -> Snapshot:
    """Freeze the examples of a curated batch.

    Args:
        store: Where it goes.
        curated_id: The batch; it was not refused.
        recipe: Whose data it is.
        night: When it was made first.
        parent_id: Snapshot that was `latest` before; none for the first.

    Raises:
        InputError: The batch was refused.
    """
    curated = store.load(Curated, curated_id).content
    if curated.refusal is not None:
        msg = f"curated batch {short(curated_id)} was refused and makes no snapshot: {curated.refusal}"
        raise InputError(msg)

    def read_tables() -> Iterator[pa.Table]:
        return (to_table(get_frame(store, blob, EXAMPLES)) for blob in curated.examples)

    return freeze_rows(store, read_tables, open_cache(), recipe=recipe, night=night, parent_id=parent_id)


def to_table(examples: pl.DataFrame) -> pa.Table:
    """Return examples as Arrow, in the types that Parquet keeps."""
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
    """Freeze rows (EXAMPLES) in the order in which they come; what the store has of them is not sent again.

    Some shards at a time are held in memory, and first the id, then the leaf of each row.

    Args:
        store: Where it goes.
        read_tables: Gives the rows, in tables that follow one another; again, when the store has lost some of them.
        cache: What is remembered of shards.
        recipe: Whose data it is.
        night: When it was made first.
        parent_id: Snapshot that was `latest` before; none for the first.
        size: How large shards are.

    Raises:
        InternalError: A row id stands twice.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        shards = list(_freeze(store, cache, cut_tables(read_tables(), size), pool))
        if (found := _find_snapshot(store, cache, shards)) is not None:
            return found
        known = [shard for shard in shards if shard.is_known]
        are_there = list(pool.map(store.has_blob, (shard.file.sha256 for shard in known)))
    if not all(are_there):
        for shard, is_there in zip(known, are_there, strict=True):
            if not is_there:
                cache.forget(shard.key)
        return freeze_rows(store, read_tables, cache, recipe=recipe, night=night, parent_id=parent_id, size=size)
    identity = _identify([partial(_load_rows, store, shard) for shard in shards])
    cache.remember_identity([shard.key for shard in shards], identity)
    files = tuple(shard.file for shard in shards)
    provenance = SnapshotProvenance(files=files, recipe=recipe, night=night.isoformat(), parent=parent_id)
    return store.publish(Snapshot(content=identity, provenance=provenance))


def open_cache() -> ShardCache:
    """Return what this machine remembers of shards."""
    return ShardCache(get_settings().var_dir / "cache" / "shards")


def _freeze(store: ObjectStore, cache: ShardCache, pieces: Iterable[pa.Table], pool: Executor) -> Iterator[Shard]:
    """Return the shards of pieces, in their order: remembered, or stored now; a few are at work beside each other."""

    def freeze(rows: pa.Table) -> Shard:
        key = fingerprint(rows)
        return cache.find(key) or cache.remember(key, *store_shard(store, rows))

    at_work: deque[Future[Shard]] = deque()
    for rows in pieces:
        if len(at_work) == _HELD:
            yield at_work.popleft().result()
        at_work.append(pool.submit(freeze, rows))
    yield from (one.result() for one in at_work)


def _find_snapshot(store: ObjectStore, cache: ShardCache, shards: Sequence[Shard]) -> Snapshot | None:
    """Return the snapshot of these shards, where it is remembered and stands. It was written after all its files."""
    identity = cache.find_identity([shard.key for shard in shards])
    found = None if identity is None else store.find(Snapshot, identity)
    if found is not None:
        logger.info("snapshot %s is as it was", short(found.id))
    return found


def _load_rows(store: ObjectStore, shard: Shard) -> ShardRows:
    """Return what is remembered of a shard; where that is gone meanwhile, make it anew of the shard itself."""
    try:
        return shard.load()
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return describe_rows(get_frame(store, shard.file.sha256, EXAMPLES))


def _identify(shards: Sequence[Callable[[], ShardRows]]) -> SnapshotContent:
    """Return the identity of the rows of shards. Each is read twice, so that ids and leaves are never both held."""
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
    """Return the place of each row in the order of the ids."""
    order = ids.arg_sort()
    in_order = ids.gather(order)
    doubles = int((in_order == in_order.shift(1)).sum())
    if doubles:
        msg = f"{doubles} rows of the snapshot have an id that stands twice; report this fault"
        raise InternalError(msg)
    ranks = np.empty(len(ids), np.uint32)
    ranks[order.to_numpy()] = np.arange(len(ids), dtype=np.uint32)
    return ranks
