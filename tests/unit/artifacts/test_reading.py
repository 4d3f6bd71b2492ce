"""Reading: newest versions, and unchanged eval sets."""

import polars as pl
import pytest
from nightloom.artifacts.data import EvalSetContent, EvalSetManifest, EvalSetProvenance
from nightloom.artifacts.frames import EVAL_ITEMS, RECORDS, put_frame
from nightloom.artifacts.reading import keep_newest, read_eval_set
from nightloom.core.errors import ManifestError
from nightloom.core.store import ObjectStore


def test_newest_version_is_kept() -> None:
    rows = [("T1", "2", "b"), ("T2", "", "x"), ("T1", "10", "a"), ("T2", "1", "y")]
    frame = pl.DataFrame([(*row, None, None, None, False, None) for row in rows], RECORDS, orient="row")
    assert sorted(keep_newest(frame).select("row_id", "text").rows()) == [("T1", "b"), ("T2", "y")]


def test_changed_items_are_refused(store: ObjectStore) -> None:
    items = pl.DataFrame([("i1", "c1", "hello", "{}", None, None)], EVAL_ITEMS, orient="row")
    provenance = EvalSetProvenance(frame=put_frame(store, items, EVAL_ITEMS))
    content = EvalSetContent(name="gold", rows_root="0" * 64, items=1)
    evalset = store.publish(EvalSetManifest(content=content, provenance=provenance))
    with pytest.raises(ManifestError, match="differ from those that were frozen"):
        read_eval_set(store, evalset.id)


def test_deleted_row_loses_all_versions() -> None:
    rows = [("T1", "1", "a", False), ("T1", "2", "b", True), ("T2", "1", "c", True), ("T2", "2", "d", False)]
    frame = pl.DataFrame(
        [(key, at, text, None, None, None, gone, None) for key, at, text, gone in rows], RECORDS, orient="row"
    )
    assert keep_newest(frame)["text"].to_list() == ["d"]


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        pytest.param([("1", "a"), ("2", "b"), ("2", "c")], [("c", "same_version")], id="different rows"),
        pytest.param([("2", "b"), ("2", "b")], [("b", None)], id="copies"),
        pytest.param([("1", "a"), ("1", "b"), ("2", "c")], [("c", None)], id="older ones"),
    ],
)
def test_rows_of_one_version_are_marked(rows: list[tuple[str, str]], kept: list[tuple[str, str | None]]) -> None:
    lines = [("T1", version, text, None, None, None, False, None) for version, text in rows]
    newest = keep_newest(pl.DataFrame(lines, RECORDS, orient="row"))
    assert newest.select("text", pl.col("fault").struct.field("rule")).rows() == kept


def test_deletion_of_same_version_counts() -> None:
    lines = [("T1", "1", text, None, None, None, gone, None) for text, gone in (("a", True), ("b", False))]
    assert keep_newest(pl.DataFrame(lines, RECORDS, orient="row")).is_empty()
