"""Diff: each changed row once, by its weightiest change."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.frames import EXAMPLES
from nightloom.artifacts.rewriting import rewrite_blob
from nightloom.core.store import ObjectStore
from nightloom.snapshots.diff import diff_snapshots
from nightloom.snapshots.freeze import freeze_rows
from nightloom.snapshots.shards import ShardCache, ShardSize

Freeze = Callable[[list[dict[str, Any]]], str]

ROWS = [
    {"row_id": f"T{n}", "cluster_id": f"c{n}", "split": "train", "text": f"text {n}", "answer": "{}", "slice": "mail"}
    for n in range(20)
]


def freeze_in(store: ObjectStore, rows: list[dict[str, Any]]) -> str:
    table = pl.DataFrame(rows, EXAMPLES).to_arrow(compat_level=pl.CompatLevel.oldest())
    cache, size = ShardCache(Path("/nonexistent")), ShardSize(4, 2, 6)
    return freeze_rows(
        store, lambda: [table], cache, recipe="triage", night=date(2026, 11, 23), parent_id=None, size=size
    ).id


@pytest.fixture
def freeze(store: ObjectStore) -> Freeze:
    """Freeze rows in small shards."""
    return lambda rows: freeze_in(store, rows)


def test_same_rows_do_not_differ(store: ObjectStore, freeze: Freeze) -> None:
    assert diff_snapshots(store, freeze(ROWS), freeze(ROWS[::-1])).is_empty()


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"text": "another"}, "edited"),
        ({"history": [{"role": "user", "content": "hello"}]}, "edited"),
        ({"text": "another", "answer": '{"team":"x"}', "split": "test"}, "edited"),
        ({"answer": '{"team":"x"}'}, "relabelled"),
        ({"answer": '{"team":"x"}', "split": "test"}, "relabelled"),
        ({"split": "test"}, "moved"),
        ({"cluster_id": "c1"}, "moved"),
        ({"slice": "chat"}, "moved"),
    ],
)
def test_changed_row_has_weightiest_change(
    store: ObjectStore, freeze: Freeze, fields: dict[str, Any], change: str
) -> None:
    changed = [*ROWS[:7], {**ROWS[7], **fields}, *ROWS[8:]]
    assert diff_snapshots(store, freeze(ROWS), freeze(changed)).rows() == [("T7", fields.get("slice", "mail"), change)]


def test_rows_come_and_go(store: ObjectStore, freeze: Freeze) -> None:
    assert diff_snapshots(store, freeze(ROWS[:-1]), freeze(ROWS[1:])).rows() == [
        ("T0", "mail", "removed"),
        ("T19", "mail", "added"),
    ]


def test_empty_snapshot_differs_by_all(store: ObjectStore, freeze: Freeze) -> None:
    assert set(diff_snapshots(store, freeze([]), freeze(ROWS))["change"]) == {"added"}


_versions = st.dictionaries(st.sampled_from([f"T{n}" for n in range(12)]), st.sampled_from("abc"))


# Each example may share the store: nothing in it is ever changed.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=_versions, after=_versions)
def test_difference_equals_brute_force(store: ObjectStore, before: dict[str, str], after: dict[str, str]) -> None:
    first, second = (
        freeze_in(store, [{**ROWS[0], "row_id": row_id, "text": text} for row_id, text in rows.items()])
        for rows in (before, after)
    )
    expected = dict.fromkeys(after.keys() - before.keys(), "added")
    expected |= dict.fromkeys(before.keys() - after.keys(), "removed")
    expected |= {row_id: "edited" for row_id in before.keys() & after.keys() if before[row_id] != after[row_id]}
    assert dict(diff_snapshots(store, first, second).select("row_id", "change").iter_rows()) == expected


def test_erased_row_counts_as_removed(store: ObjectStore, freeze: Freeze) -> None:
    before, after = freeze(ROWS), freeze(ROWS[:7] + ROWS[8:])
    for file in store.load(Snapshot, before).provenance.files:
        rewrite_blob(store, file.sha256, "examples", ["T7"])
    assert diff_snapshots(store, before, after).rows() == [("T7", None, "removed")]
    assert diff_snapshots(store, before, freeze(ROWS[:19])).rows() == [("T19", "mail", "removed")]
