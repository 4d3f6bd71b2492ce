"""Export: write a snapshot as Parquet files, a folder a split, with its manifest."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.frames import EXAMPLES, get_frame
from nightloom.artifacts.ids import SnapshotId
from nightloom.artifacts.rewriting import current_blob
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore, blob_key

MANIFEST = "_snapshot.json"
"""Other tools that read a folder of Parquet files leave out names that begin with an underscore."""


def export_snapshot(store: ObjectStore, snapshot_id: SnapshotId, folder: Path) -> list[Path]:
    """Write a snapshot's rows into a folder for each split, and its manifest last.

    Splits do not share a folder, because tools that read one take it for training data as a whole. An earlier export of
    the snapshot is written again, without rows that were erased since.

    Raises:
        InputError: The folder holds other files.
        ManifestError: The snapshot is missing or damaged.
        OSError: The folder cannot be written.
    """
    snapshot = store.load(Snapshot, snapshot_id)
    _refuse_foreign(snapshot, folder)
    paths = [
        _replace(folder / split / f"{number:05d}-{short(file.sha256)}.parquet", _as_parquet(rows))
        for number, file in enumerate(snapshot.provenance.files)
        for split, rows in _read_splits(store, file.sha256, snapshot.content.splits)
    ]
    _replace(folder / MANIFEST, snapshot.to_bytes())
    return paths


def list_addresses(store: ObjectStore, snapshot: Snapshot) -> list[str]:
    """Return the S3 addresses of a snapshot's Parquet files, each with rows of all splits."""
    blobs = (current_blob(store, file.sha256) for file in snapshot.provenance.files)
    bucket = store.bucket
    return [f"s3://{bucket.name}/{bucket.prefix}{blob_key(blob)}" for blob in blobs]


def _refuse_foreign(snapshot: Snapshot, folder: Path) -> None:
    files = enumerate(snapshot.provenance.files)
    names = {f"{number:05d}-{short(file.sha256)}.parquet" for number, file in files}
    expected = {MANIFEST, *(f"{split}/{name}" for split in snapshot.content.splits for name in names)}
    # Temporary files of a killed export begin with a dot.
    found = (path for path in folder.rglob("[!.]*") if path.is_file())
    foreign = {path.relative_to(folder).as_posix() for path in found} - expected
    if foreign:
        msg = f"{folder} holds files that do not belong to snapshot {short(snapshot.id)}: {min(foreign)}; "
        raise InputError(msg + "name another folder")


def _read_splits(store: ObjectStore, sha256: str, splits: Iterable[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    rows = get_frame(store, current_blob(store, sha256), EXAMPLES)
    yield from ((split, rows.filter(split=split)) for split in splits)


def _as_parquet(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _replace(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(data)
    return temporary.replace(path)
