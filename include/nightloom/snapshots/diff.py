"""Diff: changes of rows between two snapshots."""

from collections.abc import Iterable

import polars as pl

from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.frames import EXAMPLES, get_frame
from nightloom.artifacts.ids import SnapshotId
from nightloom.artifacts.rewriting import list_erased
from nightloom.core.store import ObjectStore

CHANGES = ("added", "removed", "edited", "relabelled", "moved")
"""Changes of a row, the weightiest first: a row that was edited and relabelled counts as edited."""


def diff_snapshots(store: ObjectStore, before_id: SnapshotId, after_id: SnapshotId) -> pl.DataFrame:
    """Return the rows that differ: row_id, slice and change, sorted by id.

    A row is `edited` if its text or history changed, `relabelled` if its answer changed, and `moved` if its split,
    cluster or slice changed. A row that was erased from the first snapshot and is not in the second counts as
    `removed`; its slice is unknown. Files that both snapshots share are not read.

    Raises:
        ManifestError: A snapshot is missing or damaged.
    """
    files = [{file.sha256 for file in store.load(Snapshot, one).provenance.files} for one in (before_id, after_id)]
    old = _read_files(store, files[0] - files[1])
    new = _read_files(store, files[1] - files[0])
    both = old.join(new, on="row_id", how="full", suffix="_new", coalesce=True)
    change = (
        pl.when(pl.col("cluster_id").is_null())
        .then(pl.lit("added"))
        .when(pl.col("cluster_id_new").is_null())
        .then(pl.lit("removed"))
        .when(_differ("text") | _differ("history"))
        .then(pl.lit("edited"))
        .when(_differ("answer"))
        .then(pl.lit("relabelled"))
        .when(_differ("split") | _differ("cluster_id") | _differ("slice"))
        .then(pl.lit("moved"))
    )
    changed = both.select("row_id", pl.coalesce("slice_new", "slice").alias("slice"), change.alias("change"))
    erased_before = [row.row_id for file in sorted(files[0] - files[1]) for row in list_erased(store, file)]
    erased_after = [row.row_id for file in sorted(files[1] - files[0]) for row in list_erased(store, file)]
    removed = sorted({*erased_before} - {*erased_after} - {*new["row_id"], *old["row_id"]})
    erased = pl.DataFrame([(row_id, None, "removed") for row_id in removed], changed.schema, orient="row")
    return pl.concat([changed.drop_nulls("change"), erased]).sort("row_id")


def _read_files(store: ObjectStore, digests: Iterable[str]) -> pl.DataFrame:
    frames = [get_frame(store, digest, EXAMPLES) for digest in sorted(digests)]
    return pl.concat([pl.DataFrame(schema=EXAMPLES), *frames])


def _differ(column: str) -> pl.Expr:
    return pl.col(column).ne_missing(pl.col(f"{column}_new"))
