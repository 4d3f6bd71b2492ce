"""Export: a folder for DuckDB, Polars, pandas, pyarrow and `datasets`."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.frames import EXAMPLES
from nightloom.artifacts.rewriting import rewrite_blob
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.snapshots.export import export_snapshot
from nightloom.snapshots.freeze import freeze_rows
from nightloom.snapshots.shards import ShardCache, ShardSize

HISTORY = [{"content": "hello", "role": "user"}, {"content": "yes?", "role": "assistant"}]
SPLITS = ("train", "test", "selection")
ROWS = [
    {"row_id": f"T{n}", "cluster_id": "c", "split": SPLITS[n % 3], "text": f"é {n}", "answer": "{}", "history": HISTORY}
    for n in range(20)
]
TRAIN = [row for row in ROWS if row["split"] == "train"]


@pytest.fixture
def snapshot(store: ObjectStore, tmp_path: Path) -> Snapshot:
    """Twenty rows in several files."""
    table = pl.DataFrame(ROWS, EXAMPLES).to_arrow(compat_level=pl.CompatLevel.oldest())
    cache, night = ShardCache(tmp_path / "cache"), date(2026, 11, 23)
    return freeze_rows(
        store, lambda: [table], cache, recipe="triage", night=night, parent_id=None, size=ShardSize(4, 2, 6)
    )


@pytest.fixture
def folder(store: ObjectStore, snapshot: Snapshot, tmp_path: Path) -> Path:
    """The snapshot, exported."""
    export_snapshot(store, snapshot.id, tmp_path / "export")
    return tmp_path / "export"


def test_polars_reads_it(folder: Path) -> None:
    assert pl.read_parquet(folder / "*/*.parquet").sort("row_id").equals(pl.DataFrame(ROWS, EXAMPLES).sort("row_id"))


def test_duckdb_reads_it(folder: Path) -> None:
    import duckdb

    files = duckdb.read_parquet(str(folder / "*/*.parquet"))
    assert files.filter("split = 'train'").aggregate("count(*), min(history[1].content)").fetchall() == [(7, "hello")]


def test_pandas_reads_one_split_or_all(folder: Path) -> None:
    import pandas as pd

    assert sorted(pd.read_parquet(folder / "train")["text"]) == sorted(row["text"] for row in TRAIN)
    assert sorted(pd.read_parquet(folder)["text"]) == sorted(row["text"] for row in ROWS)


def test_datasets_reads_one_split(folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    cache = str(tmp_path / "datasets")
    loaded = load_dataset("parquet", data_dir=str(folder / "train"), split="train", cache_dir=cache)
    assert sorted(loaded["row_id"]) == sorted(row["row_id"] for row in TRAIN)
    assert loaded[0]["history"] == HISTORY


def test_datasets_takes_no_test_rows_for_training(folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    loaded = load_dataset(str(folder), cache_dir=str(tmp_path / "datasets"))
    assert set(loaded["train"]["split"]) == {"train"}


def test_exporting_again_repairs_damaged_files(store: ObjectStore, snapshot: Snapshot, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    min(folder.glob("*/*.parquet")).write_bytes(b"rubbish")
    export_snapshot(store, snapshot.id, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_exporting_again_removes_erased_rows(store: ObjectStore, snapshot: Snapshot, folder: Path) -> None:
    for file in snapshot.provenance.files:
        rewrite_blob(store, file.sha256, "examples", ["T7"])
    export_snapshot(store, snapshot.id, folder)
    assert set(pl.read_parquet(folder / "*/*.parquet")["row_id"]) == {row["row_id"] for row in ROWS} - {"T7"}


def test_foreign_folder_is_refused(store: ObjectStore, snapshot: Snapshot, folder: Path) -> None:
    (folder / "train" / "mine.txt").write_text("mine")
    with pytest.raises(
        InputError, match=r"holds files that do not belong to snapshot .*: train/mine\.txt; name another folder"
    ):
        export_snapshot(store, snapshot.id, folder)


def test_killed_export_does_not_block(store: ObjectStore, snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "export" / "train").mkdir(parents=True)
    (tmp_path / "export" / "train" / ".00000-aa.parquet").write_bytes(b"half")
    assert export_snapshot(store, snapshot.id, tmp_path / "export")
