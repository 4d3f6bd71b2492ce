"""Verification: recompute every digest of a snapshot, and say what is not as its manifest tells."""

from nightloom.artifacts.data import Snapshot, SnapshotFile
from nightloom.artifacts.frames import EXAMPLES, get_frame
from nightloom.artifacts.reading import read_snapshot
from nightloom.core.digests import short
from nightloom.core.errors import ManifestError
from nightloom.core.store import ObjectStore
from nightloom.snapshots.freeze import identify_rows


def verify_snapshot(store: ObjectStore, snapshot_id: str) -> Snapshot:
    """Check a snapshot's manifest, files and rows against their digests, and give it.

    Raises:
        ManifestError: Something is not as it was frozen; the sentence names all of it.
        StoreError: The store does not answer.
    """
    snapshot = store.load(Snapshot, snapshot_id)
    wrong = [problem for file in snapshot.record.files if (problem := _check_file(store, file))]
    if not wrong and identify_rows(read_snapshot(store, snapshot_id)) != snapshot.identity:
        wrong = [f"the rows of snapshot {short(snapshot_id)} are not those that its manifest names"]
    if wrong:
        raise ManifestError("; ".join(wrong))
    return snapshot


def _check_file(store: ObjectStore, file: SnapshotFile) -> str | None:
    try:
        ids = get_frame(store, file.sha256, EXAMPLES)["row_id"]
    except ManifestError as error:
        return str(error)
    if (len(ids), ids.first(), ids.last()) != (file.rows, file.first_id, file.last_id):
        return f"file {short(file.sha256)} holds {len(ids)} rows or other ids than its manifest says"
    return None
