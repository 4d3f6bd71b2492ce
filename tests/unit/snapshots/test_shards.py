"""Shards: content-defined cuts, and a cache that is never trusted."""

import itertools
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.frames import EXAMPLES
from nightloom.artifacts.leaves import hash_rows
from nightloom.core.store import ObjectStore
from nightloom.snapshots.shards import ShardCache, ShardSize, cut_rows, cut_tables, fingerprint, store_shard

SIZE = ShardSize(mean=16, least=4, most=64)

_text = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
_turns = st.none() | st.lists(st.fixed_dictionaries({"content": _text, "role": _text}), max_size=3)
_rows = st.lists(
    st.fixed_dictionaries({"row_id": st.text("ab", max_size=3), "text": _text, "history": _turns}), max_size=6
)


def make_ids(count: int) -> pl.Series:
    return pl.Series("row_id", [f"T{number:05d}" for number in range(count)], pl.String)


def cut(ids: pl.Series) -> set[tuple[str, ...]]:
    return {tuple(ids[start : start + length]) for start, length in cut_rows(ids, SIZE)}


def to_table(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


@given(st.integers(0, 600), st.sampled_from([SIZE, ShardSize(1, 1, 1), ShardSize(4, 50, 64)]))
def test_shards_cover_rows_within_size(count: int, size: ShardSize) -> None:
    shards = cut_rows(make_ids(count), size)
    assert [start for start, _ in shards] == [sum(length for _, length in shards[:n]) for n in range(len(shards))]
    assert sum(length for _, length in shards) == count
    assert all(size.least <= length <= size.most for _, length in shards[:-1])
    assert all(0 < length <= size.most for _, length in shards[-1:])


def test_cuts_do_not_depend_on_versions() -> None:
    # Other cuts would send every shard of every snapshot again.
    assert [start for start, _ in cut_rows(make_ids(120), SIZE)] == [0, 5, 19, 26, 32, 36, 49, 57, 71, 75, 84, 98]


def test_shards_have_the_mean_size() -> None:
    assert 10 < 20_000 / len(cut_rows(make_ids(20_000), SIZE)) < 30


@pytest.mark.parametrize("keep", [slice(0, 2000), slice(20, 2020), slice(0, 2020)], ids=["end", "beginning", "none"])
def test_changes_at_ends_keep_inner_shards(keep: slice) -> None:
    ids = make_ids(2020)
    changed = cut(ids) - cut(ids[keep])
    assert len(changed) <= 4


def test_removed_row_changes_nearby_shards() -> None:
    ids = make_ids(2000)
    assert len(cut(ids) - cut(ids.filter(ids != "T01000"))) <= 3


@given(_rows, _rows)
def test_fingerprints_equal_for_equal_rows(first: list[dict[str, object]], second: list[dict[str, object]]) -> None:
    one, two = (to_table(pl.DataFrame(rows, EXAMPLES)) for rows in (first, second))
    assert (fingerprint(one) == fingerprint(two)) == (first == second)


@given(_rows, _rows)
def test_fingerprint_ignores_the_offset(rows: list[dict[str, object]], before: list[dict[str, object]]) -> None:
    table = to_table(pl.DataFrame(before + rows, EXAMPLES)).slice(len(before))
    if rows:
        assert fingerprint(table) == fingerprint(to_table(pl.DataFrame(rows, EXAMPLES)))


def test_fingerprint_ignores_chunks() -> None:
    table = to_table(pl.DataFrame([{"row_id": f"T{number}", "text": "a"} for number in range(9)], EXAMPLES))
    cut = pa.concat_tables([table.slice(0, 2), table.slice(2, 4), table.slice(6)])
    assert fingerprint(cut) == fingerprint(table)


def test_shard_is_sorted_with_leaves(store: ObjectStore) -> None:
    frame = pl.DataFrame([{"row_id": row_id, "text": row_id * 2} for row_id in "cab"], EXAMPLES)
    file, rows = store_shard(store, to_table(frame))
    assert rows.ids.to_list() == ["a", "b", "c"]
    assert (rows.leaves == hash_rows(frame.sort("row_id"))).all()
    assert (file.rows, file.first_id, file.last_id) == (3, "a", "c")
    assert pl.read_parquet(store.get_blob(file.sha256)).equals(frame.sort("row_id"))


def test_shard_is_cached(store: ObjectStore, tmp_path: Path) -> None:
    frame = pl.DataFrame([{"row_id": row_id, "split": "train"} for row_id in "cab"], EXAMPLES)
    file, rows = store_shard(store, to_table(frame))
    ShardCache(tmp_path).add("ab12", file, rows)
    found = ShardCache(tmp_path).find("ab12")
    assert found is not None
    assert (found.key, found.file) == ("ab12", file)
    assert found.load().ids.to_list() == ["a", "b", "c"]
    assert (found.load().leaves == rows.leaves).all()
    assert found.load().splits == {"train": 3}


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"ARROW1\0\0rubbish"], ids=["empty", "rubbish", "torn"])
def test_damaged_cache_entry_is_ignored(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "ab" / "12"
    path.parent.mkdir()
    path.write_bytes(damage)
    assert ShardCache(tmp_path).find("ab12") is None
    assert ShardCache(tmp_path).find_identity([]) is None


@given(st.lists(st.integers(0, 60), max_size=6))
def test_tables_do_not_change_shards(places: list[int]) -> None:
    table = to_table(pl.DataFrame([{"row_id": f"T{number:03d}"} for number in range(60)], EXAMPLES))
    edges = [0, *sorted(places), 60]
    tables = [table.slice(start, end - start) for start, end in itertools.pairwise(edges)]
    size = ShardSize(mean=5, least=3, most=9)
    assert [part.num_rows for part in cut_tables(tables, size)] == [part.num_rows for part in cut_tables([table], size)]
    assert pa.concat_tables(cut_tables(tables, size)).equals(table)


def test_unwritable_cache_is_no_fault(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file, rows = store_shard(store, to_table(pl.DataFrame([{"row_id": "a"}], EXAMPLES)))
    cache = ShardCache(tmp_path / "file" / "below")
    assert cache.add("ab12", file, rows).load() is rows
    assert cache.find("ab12") is None
