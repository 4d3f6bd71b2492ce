"""Freezing: ids by content, files that cover the rows, and every damage found."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.data import Curated, Snapshot
from nightloom.artifacts.frames import EXAMPLES, LEDGER, QUARANTINE, put_frame
from nightloom.artifacts.reading import read_snapshot, read_split
from nightloom.core.errors import InputError, ManifestError
from nightloom.core.store import ObjectStore
from nightloom.snapshots.freeze import build_snapshot
from nightloom.snapshots.verify import verify_snapshot

ROWS = [(f"T{number}", f"c{number}", "test" if number == 3 else "train", f"text {number}", "{}") for number in range(7)]
NIGHT = date(2026, 11, 23)


def put_curated(store: ObjectStore, rows: list[tuple[str, ...]], refusal: str | None = None) -> str:
    identity = Curated.Identity(
        records="0" * 64,
        eval_sets=(),
        examples=put_frame(store, pl.DataFrame(rows, EXAMPLES, orient="row"), EXAMPLES),
        ledger=put_frame(store, pl.DataFrame(schema=LEDGER), LEDGER),
        quarantine=put_frame(store, pl.DataFrame(schema=QUARANTINE), QUARANTINE),
        counts=(),
        expectations=(),
        refusal=refusal,
    )
    return store.publish(Curated(identity=identity)).id


def freeze(store: ObjectStore, rows: list[tuple[str, ...]] = ROWS, shard_rows: int = 3) -> Snapshot:
    curated = put_curated(store, rows)
    return build_snapshot(store, curated, recipe="triage", night=NIGHT, parent=None, shard_rows=shard_rows)


def test_files_cover_the_rows_in_order(store: ObjectStore) -> None:
    snapshot = freeze(store)
    files = [(file.rows, file.first_id, file.last_id) for file in snapshot.record.files]
    assert files == [(3, "T0", "T2"), (3, "T3", "T5"), (1, "T6", "T6")]
    assert snapshot.identity.splits == {"test": 1, "train": 6}


def test_rows_are_read_back_by_split(store: ObjectStore) -> None:
    snapshot = freeze(store)
    assert read_snapshot(store, snapshot.id).rows() == ROWS
    assert read_split(store, snapshot.id, "test").rows() == [ROWS[3]]


def test_id_depends_on_the_rows_and_not_on_how_they_are_stored(store: ObjectStore) -> None:
    reversed_rows = ROWS[::-1]
    assert freeze(store, reversed_rows, shard_rows=5).id == freeze(store).id
    assert freeze(store, ROWS[:-1]).id != freeze(store).id


def test_unchanged_data_keeps_the_first_record(store: ObjectStore) -> None:
    first = freeze(store)
    again = build_snapshot(store, put_curated(store, ROWS), recipe="triage", night=date(2026, 12, 1), parent=first.id)
    assert again == first


def test_refused_batch_makes_no_snapshot(store: ObjectStore) -> None:
    curated = put_curated(store, ROWS, refusal="the source gave no rows")
    with pytest.raises(InputError, match=r"was refused and makes no snapshot: the source gave no rows"):
        build_snapshot(store, curated, recipe="triage", night=NIGHT, parent=None)


def test_sound_snapshot_is_verified(store: ObjectStore) -> None:
    snapshot = freeze(store)
    assert verify_snapshot(store, snapshot.id) == snapshot


def test_changed_byte_is_found(store: ObjectStore, s3: Any) -> None:
    snapshot = freeze(store)
    sha256 = snapshot.record.files[1].sha256
    key = f"prefix/objects/sha256/{sha256[:2]}/{sha256[2:]}"
    s3.objects[key] = s3.objects[key][:-1] + b"?"
    with pytest.raises(ManifestError, match=f"blob {sha256} is damaged"):
        verify_snapshot(store, snapshot.id)


def test_missing_file_is_found(store: ObjectStore, s3: Any) -> None:
    snapshot = freeze(store)
    sha256 = snapshot.record.files[0].sha256
    del s3.objects[f"prefix/objects/sha256/{sha256[:2]}/{sha256[2:]}"]
    with pytest.raises(ManifestError, match=f"blob {sha256} is not in the store"):
        verify_snapshot(store, snapshot.id)


def test_files_of_other_rows_are_found(store: ObjectStore, s3: Any) -> None:
    snapshot, other = freeze(store), freeze(store, ROWS[:-1])
    forged = snapshot.model_copy(update={"record": other.record})
    emptied = ObjectStore(type(s3)(), "bucket", "prefix/")
    for file in other.record.files:
        emptied.put_blob(store.get_blob(file.sha256))
    emptied.publish(forged)
    with pytest.raises(ManifestError, match="are not those that its manifest names"):
        verify_snapshot(emptied, snapshot.id)
