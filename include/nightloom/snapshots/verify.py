"""Verification: recompute every digest of a snapshot, and say what is not as its manifest tells."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from nightloom.artifacts.data import Snapshot, SnapshotContent, SnapshotFile
from nightloom.artifacts.frames import EXAMPLES, get_frame
from nightloom.artifacts.ids import SnapshotId
from nightloom.artifacts.leaves import Leaves, hash_rows
from nightloom.artifacts.rewriting import erased_leaves, list_erased
from nightloom.core.digests import merkle_root, short
from nightloom.core.errors import ManifestError
from nightloom.core.replacements import ErasedRow
from nightloom.core.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Verified:
    """A snapshot that is as it was frozen, but for rows that were erased since."""

    snapshot: Snapshot
    erased: tuple[ErasedRow, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a snapshot by what is left of all of them."""

    ids: pl.Series
    splits: pl.Series
    leaves: Leaves


def verify_snapshot(store: ObjectStore, snapshot_id: SnapshotId) -> Verified:
    """Check a snapshot's manifest, files and rows against their digests, and give it.

    The leaf of a row that was erased is kept where the row was, so that the root is still that of all rows.

    Raises:
        ManifestError: Something is not as it was frozen; the sentence names all of it.
        StoreError: The store does not answer.
    """
    snapshot = store.load(Snapshot, snapshot_id)
    wrong, held, erased = [], [], []
    for file in snapshot.provenance.files:
        gone = list_erased(store, file.sha256)
        try:
            held.append(_read_rows(store, file, gone))
        except ManifestError as error:
            wrong.append(str(error))
        erased += gone
    if not wrong and _identify(held) != snapshot.content:
        wrong = [f"the rows of snapshot {short(snapshot_id)} are not those that its manifest names"]
    if wrong:
        raise ManifestError("; ".join(wrong))
    return Verified(snapshot, tuple(erased))


def _read_rows(store: ObjectStore, file: SnapshotFile, erased: list[ErasedRow]) -> _Rows:
    frame = get_frame(store, file.sha256, EXAMPLES)
    # Killed between replacement and deletion, an erasure leaves the file as it was.
    gone = [row for row in erased if row.row_id not in set(frame["row_id"])]
    ids = pl.concat([frame["row_id"], pl.Series("row_id", [row.row_id for row in gone], pl.String)])
    if (len(ids), ids.min(), ids.max()) != (file.rows, file.first_id, file.last_id):
        msg = f"file {short(file.sha256)} holds {len(ids)} rows or other ids than its manifest says"
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
