"""Freezing: curated examples become a snapshot, whose id depends on its rows and on nothing else."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from nightloom.artifacts.data import Curated, Snapshot, SnapshotIdentity, SnapshotRecord
from nightloom.artifacts.frames import EXAMPLES, get_frame
from nightloom.core.digests import merkle_root, short
from nightloom.core.errors import InputError
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

T = TypeVar("T")
R = TypeVar("R")

# Compressing, hashing and sending go on beside each other.
_THREADS = 8


def build_snapshot(store: ObjectStore, curated_id: str, *, recipe: str, night: date, parent: str | None) -> Snapshot:
    """Freeze the examples of a curated batch.

    Args:
        store: Where it goes.
        curated_id: The batch; it was not refused.
        recipe: Whose data it is.
        night: When it was made first.
        parent: Snapshot that was `latest` before; none for the first.

    Raises:
        InputError: The batch was refused.
    """
    curated = store.load(Curated, curated_id).identity
    if curated.refusal is not None:
        msg = f"curated batch {short(curated_id)} was refused and makes no snapshot: {curated.refusal}"
        raise InputError(msg)
    tables = (to_table(get_frame(store, blob, EXAMPLES)) for blob in curated.examples)
    return freeze_rows(store, tables, open_cache(), recipe=recipe, night=night, parent=parent)


def to_table(examples: pl.DataFrame) -> pa.Table:
    """Give examples as Arrow, in the types that Parquet keeps."""
    return examples.to_arrow(compat_level=pl.CompatLevel.oldest())


def freeze_rows(
    store: ObjectStore,
    tables: Iterable[pa.Table],
    cache: ShardCache,
    *,
    recipe: str,
    night: date,
    parent: str | None,
    size: ShardSize = ShardSize(),  # noqa: B008  # frozen
) -> Snapshot:
    """Freeze rows (EXAMPLES) in the order in which they come; what the store has of them is not sent again.

    A few shards at a time are held in memory, and first the id, then the leaf of each row.

    Raises:
        AssertionError: A row id stands twice.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        pieces = cut_tables(tables, size)
        shards = list(_in_turn(pool, partial(_freeze_piece, store, cache), pieces))
    keys = [shard.key for shard in shards]
    identity = cache.find_identity(keys)
    if identity is None:
        identity = _identify([partial(_load_rows, store, shard) for shard in shards])
        cache.remember_identity(keys, identity)
    else:
        logger.info("snapshot %s is as it was", short(Snapshot.id_of(identity)))
    files = tuple(shard.file for shard in shards)
    record = SnapshotRecord(files=files, recipe=recipe, night=night.isoformat(), parent=parent)
    return store.publish(Snapshot(identity=identity, record=record))


def open_cache() -> ShardCache:
    """Give what this machine remembers of shards."""
    return ShardCache(get_settings().var_dir / "cache" / "shards")


def _in_turn(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Give results in the order of the items, of which no more than are being worked on are held."""
    pending: deque[Future[R]] = deque()
    for item in items:
        pending.append(pool.submit(work, item))
        if len(pending) > _THREADS:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _freeze_piece(store: ObjectStore, cache: ShardCache, rows: pa.Table) -> Shard:
    key = fingerprint(rows)
    known = cache.find(key)
    if known is not None and store.has_blob(known.file.sha256):
        return known
    return cache.remember(key, *store_shard(store, rows))


def _load_rows(store: ObjectStore, shard: Shard) -> ShardRows:
    """Give what is remembered of a shard; where that is gone meanwhile, make it anew of the shard itself."""
    try:
        return shard.load()
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return describe_rows(get_frame(store, shard.file.sha256, EXAMPLES))


def _identify(shards: Sequence[Callable[[], ShardRows]]) -> SnapshotIdentity:
    """Give the identity of the rows of shards; each is looked at twice, so that ids and leaves are never both held."""
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
    return SnapshotIdentity(
        rows_root=merkle_root(leaves.reshape(-1).data),
        columns=tuple(EXAMPLES),
        splits=dict(sorted(splits.items())),
    )


def _rank(ids: pl.Series) -> npt.NDArray[np.uint32]:
    """Give the place of each row in the order of the ids."""
    order = ids.arg_sort()
    in_order = ids.gather(order)
    doubles = int((in_order == in_order.shift(1)).sum())
    if doubles:
        msg = f"{doubles} rows of the snapshot have an id that stands twice; report this fault"
        raise AssertionError(msg)
    ranks = np.empty(len(ids), np.uint32)
    ranks[order.to_numpy()] = np.arange(len(ids), dtype=np.uint32)
    return ranks
