"""Reading: records, a snapshot's rows and tokens, and an eval set's items, by id."""

import numpy as np
import polars as pl

from nightloom.artifacts.data import EvalSetManifest, Records, Snapshot
from nightloom.artifacts.frames import EVAL_ITEMS, EXAMPLES, RECORDS, TOKENS, get_frame
from nightloom.artifacts.ids import EvalSetId, RecordsId, SnapshotId
from nightloom.artifacts.leaves import hash_rows, rows_root
from nightloom.artifacts.parts import overlapping_parts, read_parts
from nightloom.artifacts.rewriting import erased_leaves, list_erased
from nightloom.artifacts.training import Tokens
from nightloom.core.digests import merkle_root
from nightloom.core.errors import ManifestError
from nightloom.core.store import ObjectStore


def read_records(store: ObjectStore, records_id: RecordsId) -> pl.DataFrame:
    """Return all rows as received, sorted by id and version within each part; for small records only."""
    return read_parts(store, store.load(Records, records_id).content.parts, RECORDS)


def has_added(store: ObjectStore, records: Records, before: Records) -> bool:
    """Whether records have a row, or a version of a row, that `before` does not have; reads part by part."""
    columns = ("row_id", "version", "deleted")
    parts = records.content.parts
    for number, part in enumerate(parts):
        blobs = overlapping_parts(before.content.parts, number, len(parts))
        known = [get_frame(store, blob, RECORDS).select(columns) for blob in blobs]
        rows = get_frame(store, part, RECORDS).select(columns)
        if not rows.join(pl.concat([rows.clear(), *known]), on=columns, how="anti").is_empty():
            return True
    return False


def keep_newest(records: pl.DataFrame) -> pl.DataFrame:
    """Return the newest version of each key, without deleted ones, once.

    If different rows have the newest version of a key, one of them is returned with the fault `same_version`.
    """
    ordered = records.sort("version", maintain_order=True)
    newest = ordered.filter(pl.col("version") == pl.col("version").last().over("row_id"))
    left = newest.filter(~pl.col("deleted").any().over("row_id"))
    contents = count_contents(left)
    measured = pl.format("{} rows", contents)
    fault = pl.struct(measured=measured, rule=pl.lit("same_version"))
    marked = left.with_columns(fault=pl.when(contents > 1).then(pl.coalesce("fault", fault)).otherwise("fault"))
    return marked.unique("row_id", keep="last", maintain_order=True)


def count_contents(records: pl.DataFrame) -> pl.Series:
    """Return for each row how many different contents the rows of its key have."""
    counts = pl.repeat(1, len(records), dtype=pl.UInt32, eager=True).alias("contents")
    tied = records.select(pl.col("row_id").is_duplicated().arg_true())["row_id"]
    content = pl.struct("text", "answer", "slice", "history").n_unique().over("row_id")
    return counts.scatter(tied, records[tied].select(content.alias("contents"))["contents"]) if len(tied) else counts


def read_snapshot(store: ObjectStore, snapshot_id: SnapshotId) -> pl.DataFrame:
    """Return all rows of a snapshot, sorted by id."""
    files = store.load(Snapshot, snapshot_id).provenance.files
    shards = (get_frame(store, file.sha256, EXAMPLES) for file in files)
    return pl.concat([pl.DataFrame(schema=EXAMPLES), *shards]).sort("row_id")


def read_split(store: ObjectStore, snapshot_id: SnapshotId, split: str) -> pl.DataFrame:
    """Return the rows of one split (train, selection or test) of a snapshot, sorted by id."""
    return read_snapshot(store, snapshot_id).filter(pl.col("split") == split)


def read_tokens(store: ObjectStore, tokens: Tokens, split: str) -> pl.DataFrame:
    """Return the token ids of one split (train, selection or test) of a snapshot, sorted by row id."""
    frames = (get_frame(store, blob, TOKENS).filter(pl.col("split") == split) for blob in tokens.result.frames)
    return pl.concat([pl.DataFrame(schema=TOKENS), *frames]).sort("row_id")


def read_eval_set(store: ObjectStore, evalset_id: EvalSetId) -> pl.DataFrame:
    """Return the items of an eval set, sorted by id, without those erased since.

    Raises:
        ManifestError: The items differ from those that were frozen.
    """
    evalset = store.load(EvalSetManifest, evalset_id)
    items = get_frame(store, evalset.provenance.frame, EVAL_ITEMS)
    root = evalset.content.rows_root
    if rows_root(items) != root and _root_with_erased(store, evalset.provenance.frame, items) != root:
        msg = f"the items of eval set {evalset_id} differ from those that were frozen; restore the store from a backup"
        raise ManifestError(msg)
    return items


def _root_with_erased(store: ObjectStore, blob: str, items: pl.DataFrame) -> str:
    """Return the Merkle root of items and erased items, in the order of their ids."""
    erased = list_erased(store, blob)
    ids = pl.concat([items["item_id"], pl.Series("item_id", [row.row_id for row in erased], pl.String)])
    leaves = np.concatenate([hash_rows(items), erased_leaves(erased)])
    return merkle_root(leaves[ids.arg_sort().to_numpy()].tobytes())
