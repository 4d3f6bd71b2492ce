"""Freezing: curated examples become a snapshot, whose id depends on its rows and on nothing else."""

from datetime import date

import polars as pl

from nightloom.artifacts.data import Curated, Snapshot, SnapshotFile, SnapshotIdentity, SnapshotRecord
from nightloom.artifacts.frames import EXAMPLES, get_frame, put_frame, rows_root
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore

SHARD_ROWS = 50_000


def build_snapshot(
    store: ObjectStore, curated_id: str, *, recipe: str, night: date, parent: str | None, shard_rows: int = SHARD_ROWS
) -> Snapshot:
    """Freeze the examples of a curated batch.

    Args:
        store: Where it goes.
        curated_id: The batch; it was not refused.
        recipe: Whose data it is.
        night: When it was made first.
        parent: Snapshot that was `latest` before; none for the first.
        shard_rows: Most rows in one file.

    Raises:
        InputError: The batch was refused.
    """
    curated = store.load(Curated, curated_id).identity
    if curated.refusal is not None:
        msg = f"curated batch {short(curated_id)} was refused and makes no snapshot: {curated.refusal}"
        raise InputError(msg)
    examples = get_frame(store, curated.examples, EXAMPLES)
    shards = [examples.slice(start, shard_rows) for start in range(0, len(examples), shard_rows)]
    record = SnapshotRecord(
        files=tuple(_put_shard(store, shard) for shard in shards),
        recipe=recipe,
        night=night.isoformat(),
        parent=parent,
    )
    return store.publish(Snapshot(identity=identify_rows(examples), record=record))


def identify_rows(examples: pl.DataFrame) -> SnapshotIdentity:
    """Give the identity of a snapshot of these rows, sorted by row id."""
    counts = examples.group_by("split").len()
    return SnapshotIdentity(
        rows_root=rows_root(examples),
        columns=tuple(EXAMPLES),
        splits=dict(sorted(counts.iter_rows())),
    )


def _put_shard(store: ObjectStore, shard: pl.DataFrame) -> SnapshotFile:
    return SnapshotFile(
        sha256=put_frame(store, shard, EXAMPLES),
        rows=len(shard),
        first_id=shard["row_id"][0],
        last_id=shard["row_id"][-1],
    )
