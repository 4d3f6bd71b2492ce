"""Freezing: ids by content, files that cover the rows, caching, and verification."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.data import Curated, Snapshot
from nightloom.artifacts.frames import EXAMPLES, put_frame
from nightloom.artifacts.reading import read_snapshot, read_split
from nightloom.core.errors import InputError, InternalError, ManifestError
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.snapshots.freeze import build_snapshot, freeze_rows
from nightloom.snapshots.shards import ShardCache, ShardSize
from nightloom.snapshots.verify import Verified, verify_snapshot

Row = tuple[str | None, ...]
Freeze = Callable[..., Snapshot]

ROWS: list[Row] = [
    (f"T{number}", f"c{number}", "test" if number == 3 else "train", f"text {number}", "{}", None, None)
    for number in range(7)
]
NIGHT = date(2026, 11, 23)


def put_curated(store: ObjectStore, refusal: str | None = None) -> str:
    content = Curated.Content(
        records="0" * 64,
        eval_sets=(),
        parent=None,
        releases=None,
        operations={},
        scanners={},
        tokens=None,
        examples=(put_frame(store, pl.DataFrame(ROWS[::-1], EXAMPLES, orient="row"), EXAMPLES, sort=False),),
        ledger=(),
        quarantine=(),
        contamination=None,
        counts=(),
        expectations=(),
        refusal=refusal,
    )
    return store.publish(Curated(content=content)).id


@pytest.fixture
def freeze(store: ObjectStore, tmp_path: Path) -> Freeze:
    """Freeze rows in shards of three."""

    def call(rows: list[Row] = ROWS, *, most: int = 3, memory: str = "memory", night: date = NIGHT) -> Snapshot:
        table = pl.DataFrame(rows, EXAMPLES, orient="row").to_arrow(compat_level=pl.CompatLevel.oldest())
        cache, size = ShardCache(tmp_path / memory), ShardSize(10**9, 1, most)
        return freeze_rows(store, lambda: [table], cache, recipe="triage", night=night, parent_id=None, size=size)

    return call


def test_files_cover_rows_in_order(freeze: Freeze) -> None:
    snapshot = freeze(ROWS[4:] + ROWS[:4])
    files = [(file.rows, file.first_id, file.last_id) for file in snapshot.provenance.files]
    assert files == [(3, "T4", "T6"), (3, "T0", "T2"), (1, "T3", "T3")]
    assert snapshot.content.splits == {"test": 1, "train": 6}


def test_rows_are_read_by_split(freeze: Freeze, store: ObjectStore) -> None:
    snapshot = freeze(ROWS[::-1])
    assert read_snapshot(store, snapshot.id).rows() == ROWS
    assert read_split(store, snapshot.id, "test").rows() == [ROWS[3]]


def test_cache_entry_lost_midway_is_rebuilt(freeze: Freeze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = freeze()
    monkeypatch.setattr(ShardCache, "find_identity", lambda *_: shutil.rmtree(tmp_path / "memory"))
    assert freeze() == first


def test_id_depends_on_rows_alone(freeze: Freeze) -> None:
    assert freeze(ROWS[::-1], most=5).id == freeze().id
    assert freeze(ROWS[:-1]).id != freeze().id


def test_unchanged_data_keeps_first_provenance(freeze: Freeze) -> None:
    first = freeze()
    assert freeze(night=date(2026, 12, 1)) == freeze(night=date(2026, 12, 1), memory="none") == first


def test_stored_shards_are_not_sent_again(freeze: Freeze, s3: Any) -> None:
    freeze(ROWS[:6])
    kept = set(s3.objects)
    freeze(ROWS)
    assert len(set(s3.objects) - kept) == 2  # the shard of the new row, and the manifest


@pytest.mark.parametrize("most", [3, 7])
def test_cache_changes_no_result(freeze: Freeze, s3: Any, most: int) -> None:
    snapshot = freeze(most=most)
    kept = dict(s3.objects)
    s3.objects.clear()
    assert freeze(most=most) == snapshot
    assert s3.objects == kept


@pytest.mark.parametrize("again", [{"rows": ROWS[:-1]}, {"memory": "none"}], ids=["other rows", "no memory"])
def test_lost_file_is_sent_again(freeze: Freeze, store: ObjectStore, s3: Any, again: dict[str, Any]) -> None:
    snapshot = freeze()
    sha256 = snapshot.provenance.files[0].sha256
    del s3.objects[f"prefix/objects/sha256/{sha256[:2]}/{sha256[2:]}"]
    freeze(**again)
    assert verify_snapshot(store, snapshot.id) == Verified(snapshot, ())


def test_unwritable_cache_is_not_trusted(
    freeze: Freeze, store: ObjectStore, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = freeze().provenance.files[0].sha256
    del s3.objects[f"prefix/objects/sha256/{sha256[:2]}/{sha256[2:]}"]

    def refuse(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", refuse)
    snapshot = freeze(ROWS[:-1])
    assert verify_snapshot(store, snapshot.id) == Verified(snapshot, ())


def test_duplicate_id_is_a_fault(freeze: Freeze) -> None:
    with pytest.raises(InternalError, match="1 row of the snapshot has a duplicate id"):
        freeze([*ROWS, ROWS[0]])


def test_empty_batch_makes_empty_snapshot(freeze: Freeze, store: ObjectStore) -> None:
    snapshot = freeze([])
    assert snapshot.provenance.files == ()
    assert read_snapshot(store, snapshot.id).rows() == []


def test_curated_batch_is_frozen(store: ObjectStore, point_settings: Any, tmp_path: Path, freeze: Freeze) -> None:
    with point_settings(tmp_path):
        snapshot = build_snapshot(store, put_curated(store), recipe="triage", night=NIGHT, parent_id=None)
    assert snapshot.id == freeze().id


def test_refused_batch_makes_no_snapshot(store: ObjectStore) -> None:
    curated = put_curated(store, refusal="the source returned no rows")
    with pytest.raises(InputError, match=r"was refused, so it makes no snapshot: the source returned no rows"):
        build_snapshot(store, curated, recipe="triage", night=NIGHT, parent_id=None)


def test_intact_snapshot_is_verified(freeze: Freeze, store: ObjectStore) -> None:
    snapshot = freeze(ROWS[::-1])
    assert verify_snapshot(store, snapshot.id) == Verified(snapshot, ())


def test_changed_byte_is_found(freeze: Freeze, store: ObjectStore, s3: Any) -> None:
    snapshot = freeze()
    sha256 = snapshot.provenance.files[1].sha256
    key = f"prefix/objects/sha256/{sha256[:2]}/{sha256[2:]}"
    s3.objects[key] = s3.objects[key][:-1] + b"?"
    with pytest.raises(ManifestError, match=f"blob {sha256} is damaged"):
        verify_snapshot(store, snapshot.id)


def test_missing_file_is_found(freeze: Freeze, store: ObjectStore, s3: Any) -> None:
    snapshot = freeze()
    sha256 = snapshot.provenance.files[0].sha256
    del s3.objects[f"prefix/objects/sha256/{sha256[:2]}/{sha256[2:]}"]
    with pytest.raises(ManifestError, match=f"blob {sha256} is not in the store"):
        verify_snapshot(store, snapshot.id)


def test_files_of_other_rows_are_found(freeze: Freeze, store: ObjectStore, s3: Any) -> None:
    snapshot, other = freeze(), freeze(ROWS[:-1])
    forged = snapshot.model_copy(update={"provenance": other.provenance})
    emptied = ObjectStore(Bucket(type(s3)(), "bucket", "prefix/"))
    for file in other.provenance.files:
        emptied.put_blob(store.get_blob(file.sha256))
    emptied.publish(forged)
    with pytest.raises(ManifestError, match="differ from its manifest"):
        verify_snapshot(emptied, snapshot.id)
