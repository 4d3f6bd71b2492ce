"""Verification: recompute every digest of a snapshot, and report what differs from its manifest."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from nightloom.artifacts.data import Snapshot, SnapshotContent, SnapshotFile
from nightloom.artifacts.frames import EXAMPLES, get_frame
from nightloom.artifacts.ids import SnapshotId
from nightloom.artifacts.leaves import Leaves, hash_rows
from nightloom.artifacts.rewriting import erased_leaves, list_erased
from nightloom.core.counts import show_count
from nightloom.core.digests import merkle_root, short
from nightloom.core.errors import ManifestError
from nightloom.core.replacements import ErasedRow
from nightloom.core.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Verified:
    """A snapshot that is unchanged since it was frozen, except for erased rows."""

    snapshot: Snapshot
    erased: tuple[ErasedRow, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Ids, splits and leaves of a snapshot's rows, including erased ones."""

    ids: pl.Series
    splits: pl.Series
    leaves: Leaves


def verify_snapshot(store: ObjectStore, snapshot_id: SnapshotId) -> Verified:
    """Check a snapshot's manifest, files and rows against their digests, and return it.

    The leaf of an erased row is kept in the file's replacement, so that the root still covers all rows.

    Raises:
        ManifestError: Something has changed since; the message names everything.
        StoreError: The store does not answer.
    """
    snapshot = store.load(Snapshot, snapshot_id)
    wrong, held, erased = [], [], []
    for file in snapshot.provenance.files:
        erased_rows = list_erased(store, file.sha256)
        try:
            held.append(_read_rows(store, file, erased_rows))
        except ManifestError as error:
            wrong.append(str(error))
        erased += erased_rows
    if not wrong and _identify(held) != snapshot.content:
        wrong = [f"the rows of snapshot {short(snapshot_id)} differ from its manifest"]
    if wrong:
        raise ManifestError("; ".join(wrong))
    return Verified(snapshot, tuple(erased))


def _read_rows(store: ObjectStore, file: SnapshotFile, erased: list[ErasedRow]) -> _Rows:
    frame = get_frame(store, file.sha256, EXAMPLES)
    # An erasure that was killed between replacement and deletion leaves the old file.
    gone = [row for row in erased if row.row_id not in set(frame["row_id"])]
    ids = pl.concat([frame["row_id"], pl.Series("row_id", [row.row_id for row in gone], pl.String)])
    if (len(ids), ids.min(), ids.max()) != (file.rows, file.first_id, file.last_id):
        msg = f"file {short(file.sha256)} holds {show_count(len(ids), 'row')}, or other ids than its manifest names"
        raise ManifestError(msg)
    splits = pl.concat([frame["split"], pl.Series("split", [row.split for row in gone], pl.String)])
    return _Rows(ids, splits, np.concatenate([hash_rows(frame), erased_leaves(gone)]))


def _identify(held: list[_Rows]) -> SnapshotContent:
    ids = pl.concat([pl.Series("row_id", [], pl.String), *(rows.ids for rows in held)])
    leaves = np.concatenate([np.empty((0, 32), np.uint8), *(rows.leaves for rows in held)])
    splits = pl.concat([pl.Series("split", [], pl.String), *(rows.splits for rows in held)]).value_counts()
    return SnapshotContent(
        rows_root=merkle_root(leaves[ids.arg_sort().to_numpy()].tobytes()),
        columns=tuple(EXAMPLES),
        splits=dict(sorted(splits.iter_rows())),
    )
