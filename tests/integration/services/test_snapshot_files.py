"""Other tools read a snapshot in place, from the addresses that we print."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.fs
import pytest
from nightloom.artifacts.frames import EXAMPLES
from nightloom.artifacts.rewriting import rewrite_blob
from nightloom.core.settings import Settings
from nightloom.core.store import ObjectStore
from nightloom.embedded.instance import Instance
from nightloom.snapshots.export import list_addresses
from nightloom.snapshots.freeze import freeze_rows
from nightloom.snapshots.shards import ShardCache, ShardSize

ROWS = [
    {"row_id": f"T{n:02d}", "cluster_id": "c", "split": "train", "text": f"é {n}", "answer": "{}"} for n in range(20)
]


@pytest.fixture
def addresses(s3_store: ObjectStore, tmp_path: Path) -> list[str]:
    """Twenty rows in several files, with one row erased."""
    table = pl.DataFrame(ROWS, EXAMPLES).to_arrow(compat_level=pl.CompatLevel.oldest())
    cache, size = ShardCache(tmp_path / "cache"), ShardSize(4, 2, 6)
    night = date(2026, 11, 23)
    snapshot = freeze_rows(s3_store, lambda: [table], cache, recipe="triage", night=night, parent_id=None, size=size)
    assert len(snapshot.provenance.files) > 2
    for file in snapshot.provenance.files:
        rewrite_blob(s3_store, file.sha256, "examples", ["T07"])
    return list_addresses(s3_store, snapshot)


@pytest.fixture
def settings(seaweed: Instance) -> Settings:
    """Connection settings of the store."""
    return seaweed.settings()


TEXTS = [row["text"] for row in ROWS if row["row_id"] != "T07"]


def secrets(settings: Settings) -> tuple[str, str, str]:
    assert settings.store_access_key
    assert settings.store_secret_key
    keys = settings.store_access_key.get_secret_value(), settings.store_secret_key.get_secret_value()
    return str(settings.store_endpoint_url), *keys


def test_polars_reads_shards_in_place(addresses: list[str], settings: Settings) -> None:
    url, access, secret = secrets(settings)
    options = {
        "aws_endpoint_url": url,
        "aws_access_key_id": access,
        "aws_secret_access_key": secret,
        "aws_region": settings.store_region,
        "aws_allow_http": "true",
    }
    assert pl.read_parquet(addresses, storage_options=options).sort("row_id")["text"].to_list() == TEXTS


@pytest.fixture
def filesystem(settings: Settings) -> Any:
    """The store as pyarrow sees it."""
    url, access, secret = secrets(settings)
    return pyarrow.fs.S3FileSystem(
        access_key=access, secret_key=secret, endpoint_override=url, region=settings.store_region
    )


def test_pandas_reads_shards_in_place(addresses: list[str], filesystem: Any) -> None:
    import pandas as pd

    frames = [pd.read_parquet(file.removeprefix("s3://"), filesystem=filesystem) for file in addresses]
    assert sorted(pd.concat(frames)["text"]) == sorted(TEXTS)


def test_duckdb_reads_shards_in_place(addresses: list[str], filesystem: Any) -> None:
    import duckdb
    import pyarrow.dataset

    files = [file.removeprefix("s3://") for file in addresses]
    snapshot = pyarrow.dataset.dataset(files, filesystem=filesystem)
    assert duckdb.sql("SELECT count(*), min(row_id) FROM snapshot").fetchall() == [(19, "T00")]
    assert snapshot.count_rows() == 19
