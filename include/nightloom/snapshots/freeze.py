"""Freezing: curated examples become a snapshot, whose id depends on its rows and on nothing else."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial

import numpy as np
import polars as pl
import pyarrow as pa

from nightloom.artifacts.data import Curated, Snapshot, SnapshotIdentity, SnapshotRecord
from nightloom.artifacts.frames import EXAMPLES
from nightloom.artifacts.leaves import rows_root
from nightloom.artifacts.parts import read_parts
from nightloom.core.digests import merkle_root, short
from nightloom.core.errors import InputError
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.snapshots.shards import Shard, ShardCache, ShardSize, cut_rows, fingerprint, store_shard

logger = logging.getLogger(__name__)

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
    examples = read_parts(store, curated.examples, EXAMPLES).to_arrow(compat_level=pl.CompatLevel.oldest())
    return freeze_rows(store, examples, open_cache(), recipe=recipe, night=night, parent=parent)


def freeze_rows(
    store: ObjectStore,
    rows: pa.Table,
    cache: ShardCache,
    *,
    recipe: str,
    night: date,
    parent: str | None,
    size: ShardSize = ShardSize(),  # noqa: B008  # frozen
) -> Snapshot:
    """Freeze rows (EXAMPLES) in the order in which they came; what the store has of them is not sent again.

    Raises:
        AssertionError: A row id stands twice.
    """
    pieces = [rows.slice(start, length) for start, length in cut_rows(pl.Series(rows["row_id"]), size)]
    with ThreadPoolExecutor(_THREADS) as pool:
        keys = list(pool.map(fingerprint, pieces))
        known = cache.find_identity(keys)
        found = store.find(Snapshot, known) if known else None
        if found and all(pool.map(store.has_blob, (file.sha256 for file in found.record.files))):
            logger.info("snapshot %s is as it was", short(found.id))
            return found
        shards = list(pool.map(partial(_freeze_shard, store, cache), keys, pieces))
    identity = _identify(shards, rows)
    cache.remember_identity(keys, identity)
    files = tuple(shard.file for shard in shards)
    record = SnapshotRecord(files=files, recipe=recipe, night=night.isoformat(), parent=parent)
    return store.publish(Snapshot(identity=identity, record=record))


def identify_rows(examples: pl.DataFrame) -> SnapshotIdentity:
    """Give the identity of a snapshot of these rows, sorted by row id."""
    counts = examples.group_by("split").len()
    return SnapshotIdentity(
        rows_root=rows_root(examples), columns=tuple(EXAMPLES), splits=dict(sorted(counts.iter_rows()))
    )


def open_cache() -> ShardCache:
    """Give what this machine remembers of shards."""
    return ShardCache(get_settings().var_dir / "cache" / "shards")


def _freeze_shard(store: ObjectStore, cache: ShardCache, key: str, rows: pa.Table) -> Shard:
    known = cache.find(key)
    if known is not None and store.has_blob(known.file.sha256):
        return known
    shard = store_shard(store, rows)
    cache.remember(key, shard)
    return shard


def _identify(shards: Sequence[Shard], rows: pa.Table) -> SnapshotIdentity:
    ids = pl.concat([pl.Series("row_id", [], pl.String), *(shard.ids for shard in shards)])
    if ids.n_unique() < len(rows):
        msg = f"{len(rows) - ids.n_unique()} rows of the snapshot have an id that stands twice; report this fault"
        raise AssertionError(msg)
    leaves = np.concatenate([np.empty((0, 32), np.uint8), *(shard.leaves for shard in shards)])
    counts = pl.Series("split", rows["split"]).value_counts()
    return SnapshotIdentity(
        rows_root=merkle_root(leaves[ids.arg_sort().to_numpy()].tobytes()),
        columns=tuple(EXAMPLES),
        splits=dict(sorted(counts.iter_rows())),
    )
