"""Export: a folder for DuckDB, Polars, pandas, pyarrow and `datasets`."""

import json
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
ROWS = [
    {"row_id": f"T{n}", "cluster_id": "c", "split": "train", "text": f"é {n}", "answer": "{}", "history": HISTORY}
    for n in range(20)
]


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
    assert pl.read_parquet(folder / "*.parquet").sort("row_id").equals(pl.DataFrame(ROWS, EXAMPLES).sort("row_id"))


def test_duckdb_reads_it(folder: Path) -> None:
    import duckdb

    files = duckdb.read_parquet(str(folder / "*.parquet"))
    assert files.filter("split = 'train'").aggregate("count(*), min(history[1].content)").fetchall() == [(20, "hello")]


def test_pandas_reads_it(folder: Path) -> None:
    import pandas as pd

    frame = pd.concat(pd.read_parquet(path) for path in folder.glob("*.parquet"))
    assert sorted(frame["text"]) == sorted(row["text"] for row in ROWS)


def test_datasets_reads_the_manifests_files(folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    listed = json.loads((folder / "snapshot.json").read_bytes())["provenance"]["files"]
    files = [str(next(folder.glob(f"*-{file['sha256'][:12]}.parquet"))) for file in listed]
    loaded = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "datasets"))
    assert sorted(loaded["row_id"]) == sorted(row["row_id"] for row in ROWS)
    assert loaded[0]["history"] == HISTORY


def test_exporting_again_repairs_damaged_files(store: ObjectStore, snapshot: Snapshot, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    min(folder.glob("*.parquet")).write_bytes(b"rubbish")
    export_snapshot(store, snapshot.id, folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_exporting_again_removes_erased_rows(store: ObjectStore, snapshot: Snapshot, folder: Path) -> None:
    for file in snapshot.provenance.files:
        rewrite_blob(store, file.sha256, "examples", ["T7"])
    export_snapshot(store, snapshot.id, folder)
    assert set(pl.read_parquet(folder / "*.parquet")["row_id"]) == {row["row_id"] for row in ROWS} - {"T7"}


def test_foreign_folder_is_refused(store: ObjectStore, snapshot: Snapshot, folder: Path) -> None:
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(
        InputError, match=r"holds files that do not belong to snapshot .*: mine\.txt; name another folder"
    ):
        export_snapshot(store, snapshot.id, folder)


def test_killed_export_does_not_block(store: ObjectStore, snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / ".00000-aa.parquet.x1y2").write_bytes(b"half")
    files = export_snapshot(store, snapshot.id, tmp_path / "export")
    assert {path.stat().st_mode & 0o777 for path in files} == {
        (tmp_path / "export/snapshot.json").stat().st_mode & 0o777
    }
