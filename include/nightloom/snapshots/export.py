"""Export: write a snapshot as a folder of Parquet files with its manifest."""

from pathlib import Path

from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.ids import SnapshotId
from nightloom.artifacts.rewriting import current_blob
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore, blob_key

MANIFEST = "snapshot.json"


def export_snapshot(store: ObjectStore, snapshot_id: SnapshotId, folder: Path) -> list[Path]:
    """Write a snapshot's files into a folder, and its manifest last; intact files that exist are kept.

    A file that was rewritten by an erasure replaces the one that was exported before.

    Raises:
        InputError: The folder holds other files.
        ManifestError: The snapshot is missing or damaged.
        OSError: The folder cannot be written.
    """
    snapshot = store.load(Snapshot, snapshot_id)
    names = [f"{number:05d}-{short(file.sha256)}.parquet" for number, file in enumerate(snapshot.provenance.files)]
    # Temporary files of a killed export begin with a dot.
    foreign = {path.name for path in folder.glob("[!.]*")} - {*names, MANIFEST}
    if foreign:
        msg = (
            f"{folder} holds files that do not belong to snapshot {short(snapshot_id)}: {min(foreign)}; "
            f"name another folder"
        )
        raise InputError(msg)
    paths = [
        store.fetch_file(current_blob(store, file.sha256), folder / name)
        for file, name in zip(snapshot.provenance.files, names, strict=True)
    ]
    folder.mkdir(parents=True, exist_ok=True)  # a snapshot without rows has no files
    (folder / MANIFEST).write_bytes(snapshot.to_bytes())
    return paths


def list_addresses(store: ObjectStore, snapshot: Snapshot) -> list[str]:
    """Return the S3 addresses of a snapshot's Parquet files."""
    blobs = (current_blob(store, file.sha256) for file in snapshot.provenance.files)
    bucket = store.bucket
    return [f"s3://{bucket.name}/{bucket.prefix}{blob_key(blob)}" for blob in blobs]
