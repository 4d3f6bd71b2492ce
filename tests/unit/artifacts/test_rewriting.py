"""Rewriting: rows are erased from a blob, also with concurrent rewrites and kills."""

from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.data import EvalSetContent, EvalSetManifest, EvalSetProvenance
from nightloom.artifacts.frames import EVAL_ITEMS, EXAMPLES, get_frame, put_frame
from nightloom.artifacts.leaves import hash_rows, rows_root
from nightloom.artifacts.reading import read_eval_set
from nightloom.artifacts.rewriting import current_blob, find_rows, list_erased, rewrite_blob
from nightloom.core.store import ObjectStore, blob_key
from nightloom.core.trash import move_to_trash

ROWS = [(f"T{n}", f"c{n}", "train" if n else "test", f"text {n}", "{}", None, None) for n in range(3)]
EXAMPLE_FRAME = pl.DataFrame(ROWS, EXAMPLES, orient="row")


@pytest.fixture
def blob(store: ObjectStore) -> str:
    """Rows T0, T1 and T2."""
    return put_frame(store, EXAMPLE_FRAME, EXAMPLES)


def ids(store: ObjectStore, blob: str) -> list[str]:
    return get_frame(store, blob, EXAMPLES)["row_id"].to_list()


def test_rows_of_blob_are_counted(store: ObjectStore, blob: str) -> None:
    found = find_rows(store, blob, "examples", ["T1"])
    assert found
    assert (found.rows, found.splits) == (1, {"train"})
    assert find_rows(store, blob, "examples", ["T7"]) is None


def test_erased_row_keeps_its_leaf(store: ObjectStore, blob: str, s3: Any) -> None:
    assert rewrite_blob(store, blob, "examples", ["T1"]) == 1
    assert ids(store, blob) == ["T0", "T2"]
    assert not store.has_blob(blob)
    (erased,) = list_erased(store, blob)
    assert (erased.row_id, erased.leaf, erased.split) == ("T1", hash_rows(EXAMPLE_FRAME)[1].tobytes().hex(), "train")


def test_second_row_is_erased_too(store: ObjectStore, blob: str) -> None:
    rewrite_blob(store, blob, "examples", ["T1"])
    assert rewrite_blob(store, blob, "examples", ["T0"]) == 1
    assert ids(store, blob) == ["T2"]
    assert [row.row_id for row in list_erased(store, blob)] == ["T1", "T0"]
    assert rewrite_blob(store, blob, "examples", ["T0"]) == 0


def test_killed_rewrite_is_finished(store: ObjectStore, blob: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store.bucket, "delete", _die)
        with pytest.raises(KeyboardInterrupt):
            rewrite_blob(store, blob, "examples", ["T1"])
    assert ids(store, blob) == ["T0", "T1", "T2"]
    rewrite_blob(store, blob, "examples", ["T1"])
    assert ids(store, blob) == ["T0", "T2"]


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_concurrent_erasures_both_succeed(store: ObjectStore, blob: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put, others = store.put_blob, ["T0"]

    def put_late(data: bytes) -> str:
        if others:
            rewrite_blob(store, blob, "examples", [others.pop()])
        return put(data)

    monkeypatch.setattr(store, "put_blob", put_late)
    assert rewrite_blob(store, blob, "examples", ["T1"]) == 1
    assert ids(store, blob) == ["T2"]


def test_trash_keeps_no_erased_blob(store: ObjectStore, blob: str, s3: Any) -> None:
    move_to_trash(store, blob_key(blob))
    rewrite_blob(store, blob, "examples", ["T1"])
    assert not any("trash" in key for key in s3.objects)
    assert ids(store, blob) == ["T0", "T2"]


def test_last_row_leaves_empty_frame(store: ObjectStore) -> None:
    blob = put_frame(store, EXAMPLE_FRAME.head(1), EXAMPLES)
    rewrite_blob(store, blob, "examples", ["T0"])
    assert ids(store, blob) == []


def test_replaced_blob_is_fetched_as_replacement(store: ObjectStore, blob: str, tmp_path: Any) -> None:
    rewrite_blob(store, blob, "examples", ["T1"])
    path = store.fetch_file(blob, tmp_path / "rows.parquet")
    assert pl.read_parquet(path)["row_id"].to_list() == ["T0", "T2"]
    assert current_blob(store, blob) != blob


def test_other_lines_are_unchanged(store: ObjectStore) -> None:
    lines = [b'{"custom_id":"T0","a":1}\n', '{"custom_id":"T1","a":"\u2028"}\n'.encode(), b'{"custom_id":"T2"}\n']
    blob = store.put_blob(b"".join(lines))
    assert rewrite_blob(store, blob, "lines", ["T0"]) == 1
    assert store.get_blob(blob) == lines[1] + lines[2]


def test_eval_set_verifies_after_erasure(store: ObjectStore, s3: Any) -> None:
    items = pl.DataFrame([(f"i{n}", "c", f"text {n}", "{}", None, None) for n in range(3)], EVAL_ITEMS, orient="row")
    frame = put_frame(store, items, EVAL_ITEMS)
    evalset = store.publish(
        EvalSetManifest(
            content=EvalSetContent(name="gold", rows_root=rows_root(items), items=3),
            provenance=EvalSetProvenance(frame=frame),
        )
    )
    rewrite_blob(store, frame, "eval_items", ["i1"])
    assert read_eval_set(store, evalset.id)["item_id"].to_list() == ["i0", "i2"]
