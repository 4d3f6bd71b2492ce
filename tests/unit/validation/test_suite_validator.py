"""Suite validator: a suite gives the same results however its rows are cut into parts."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nightloom.artifacts.data import Expectation
from nightloom.core.errors import InputError
from nightloom.validation.suite_validator import Result, SuiteRun
from nightloom.validation.suites import Suite

ROWS = pl.DataFrame({"row_id": ["T1", "T2", "T3"], "text": ["short", None, "rather long"]})
NOT_NULL: dict[str, Any] = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "text"}}
SHORT: dict[str, Any] = {
    "type": "expect_column_value_lengths_to_be_between",
    "kwargs": {"column": "text", "max_value": {"$PARAMETER": "longest"}},
    "severity": "warning",
}


def run(
    *expectations: Any,
    parts: Sequence[pl.DataFrame] = (ROWS,),
    ids: Sequence[str] = ("row_id",),
    stats: Mapping[str, Any] | None = None,
) -> list[Result]:
    suite_run = SuiteRun(Suite("triage", expectations), ids=ids, stats=stats or {}, parameters={"longest": 5})
    for part in parts:
        suite_run.validate_part(part)
    return suite_run.finish(lambda: parts, stats)


def cut(frame: pl.DataFrame, places: Sequence[int]) -> list[pl.DataFrame]:
    """Return four parts, each with the rows whose place is its number."""
    return [frame.filter(pl.Series([place == number for place in places], dtype=pl.Boolean)) for number in range(4)]


def test_results_keep_the_suites_order() -> None:
    results = run(SHORT, NOT_NULL)
    assert [result.expectation for result in results] == [
        Expectation(suite="triage", name=SHORT["type"], column="text", success=False, unexpected=1),
        Expectation(suite="triage", name=NOT_NULL["type"], column="text", success=False, unexpected=1),
    ]
    assert [result.critical for result in results] == [False, True]


def test_failing_rows_have_ids() -> None:
    results = run(NOT_NULL, {**SHORT, "severity": "critical"})
    assert [result.failing.rows() for result in results if result.failing is not None] == [[("T2",)], [("T3",)]]


def test_failing_rows_of_condition_have_ids() -> None:
    condition = {"type": "comparison", "column": {"name": "row_id"}, "operator": "!=", "parameter": "T2"}
    kwargs = {"column": "text", "regex": "^s", "row_condition": condition}
    (result,) = run({"type": "expect_column_values_to_match_regex", "kwargs": kwargs})
    assert result.failing is not None
    assert result.failing.rows() == [("T3",)]


def test_empty_part_fails_nothing() -> None:
    (result,) = run(NOT_NULL, parts=[ROWS.clear()])
    assert (result.success, result.rows) == (True, 0)


def test_mostly_counts_all_parts() -> None:
    mostly = {**NOT_NULL, "kwargs": {"column": "text", "mostly": 0.6}}
    (result,) = run(mostly, parts=[ROWS[:1], ROWS[1:2], ROWS[2:]])
    assert (result.success, result.unexpected, result.rows) == (True, 1, 3)


def test_uniqueness_covers_all_parts() -> None:
    twice = pl.DataFrame({"row_id": ["T4", "T5"], "text": ["short", "other"]})
    unique = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "text"}}
    (result,) = run(unique, parts=[ROWS, twice])
    assert result.failing is not None
    assert result.failing.rows() == [("T1",), ("T4",)]


@pytest.mark.parametrize(
    ("name", "kwargs", "measured"),
    [
        ("expect_table_row_count_to_be_between", {"max_value": 2}, 3.0),
        ("expect_column_unique_value_count_to_be_between", {"column": "text", "min_value": 3}, 2.0),
        ("expect_column_proportion_of_non_null_values_to_be_between", {"column": "text", "min_value": 0.9}, 2 / 3),
    ],
    ids=["rows", "values", "share"],
)
def test_whole_columns_are_validated_once(name: str, kwargs: dict[str, Any], measured: float) -> None:
    (result,) = run({"type": name, "kwargs": kwargs}, parts=[ROWS[:1], ROWS[1:2], ROWS[2:]])
    assert (result.success, result.unexpected, result.failing) == (False, 1, None)
    assert result.measured == pytest.approx(measured)


def test_missing_column_fails_the_table() -> None:
    kwargs = {"column_set": ["row_id", "text", "team"], "exact_match": False}
    (result,) = run({"type": "expect_table_columns_to_match_set", "kwargs": kwargs})
    assert not result.success


def test_only_named_columns_are_read() -> None:
    rows = {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}}
    read = []
    suite_run = SuiteRun(Suite("triage", (rows, NOT_NULL)), ids=["row_id"])
    suite_run.validate_part(ROWS)
    suite_run.finish(lambda: read.append("parts") or [ROWS])
    assert read == ["parts"]
    assert SuiteRun(Suite("triage", (NOT_NULL,))).finish(lambda: pytest.fail("parts were read"))


def test_row_text_is_never_measured() -> None:
    common = {"type": "expect_column_most_common_value_to_be_in_set", "kwargs": {"column": "text", "value_set": ["a"]}}
    (result,) = run(common)
    assert (result.success, result.measured) == (False, None)


def test_statistics_are_columns() -> None:
    expected = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "tokens_max", "max_value": 512}}
    (result,) = run(expected, stats={"tokens_max": 600, "rows": 3})
    assert result.expectation == Expectation(
        suite="triage",
        name=expected["type"],
        column="tokens_max",
        success=False,
        unexpected=1,
        measured=600,
        limit="at most 512",
    )


@pytest.mark.parametrize(
    ("expectation", "reason"),
    [
        pytest.param({**NOT_NULL, "kwargs": {"column": "txt"}}, 'column "txt"', id="unknown column"),
        pytest.param({"type": "expect_wonders", "kwargs": {}}, "expect_wonders", id="unknown expectation"),
        pytest.param({**NOT_NULL, "kwargs": {}}, "column", id="argument missing"),
        pytest.param({"kwargs": {}}, "type", id="no type"),
        pytest.param("not null", "mapping", id="no mapping"),
        pytest.param({**NOT_NULL, "severity": "fatal"}, "fatal", id="unknown severity"),
        pytest.param({**SHORT, "kwargs": {"column": "text", "max_value": {"$PARAMETER": "x"}}}, "x", id="parameter"),
    ],
)
def test_invalid_suite_is_refused(expectation: Any, reason: str) -> None:
    with pytest.raises(InputError, match=f"suite 'triage' .*{reason}"):
        run(expectation)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("expect_newest_time_to_be_fresh", {"hours": 1, "moment": "2026-11-23T00:00:00+00:00"}),
        ("expect_volume_to_resemble_earlier_nights", {"earlier": [1, 2, 3]}),
    ],
)
def test_failing_suite_shows_no_row_text(name: str, more: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"cannot be run: {name} raises ValueError for these rows") as caught:
        run({"type": name, "kwargs": {"column": "text", **more}})
    assert "rather" not in str(caught.value)
    assert "short" not in str(caught.value)


@pytest.mark.parametrize("limit", [5, "2026-01-01"], ids=["number", "date"])
def test_limits_of_texts_are_explained(limit: Any) -> None:
    between = "expect_column_values_to_be_between"
    with pytest.raises(
        InputError, match=r"raises TypeError for these rows \(all columns hold text: check it by a regex"
    ):
        run({"type": between, "kwargs": {"column": "text", "min_value": limit}})


ANY: tuple[dict[str, Any], ...] = (
    NOT_NULL,
    {**NOT_NULL, "kwargs": {"column": "text", "mostly": 0.7}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "text", "regex": "a", "mostly": 0.5}},
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "text"}},
    {"type": "expect_column_proportion_of_unique_values_to_be_between", "kwargs": {"column": "text", "min_value": 0.5}},
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 3}},
    {"type": "expect_column_values_to_hold_no_pii", "kwargs": {"column": "text"}},
)
TEXTS = st.lists(st.tuples(st.sampled_from(["a", "ab", "b", None, "a@b.com"]), st.integers(0, 3)), max_size=12)


@settings(max_examples=25)
@given(TEXTS)
def test_parts_of_rows_change_nothing(rows: list[tuple[str | None, int]]) -> None:
    schema = {"row_id": pl.String, "text": pl.String}
    frame = pl.DataFrame([(f"T{n:02d}", text) for n, (text, _) in enumerate(rows)], schema, orient="row")
    whole, parts = run(*ANY, parts=[frame]), run(*ANY, parts=cut(frame, [place for _, place in rows]))
    assert [result.expectation for result in parts] == [result.expectation for result in whole]
    assert [sorted(r.failing["row_id"]) if r.failing is not None else None for r in parts] == [
        sorted(r.failing["row_id"]) if r.failing is not None else None for r in whole
    ]
