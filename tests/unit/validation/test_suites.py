"""Suites: loaded from Great Expectations' JSON, run in batches, refused in a sentence."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.data import Expectation
from nightloom.core.errors import InputError
from nightloom.validation import suites
from nightloom.validation.suites import Suite, load_suite, run_suite

ROWS = pl.DataFrame({"row_id": ["T1", "T2", "T3"], "text": ["short", None, "rather long"]})
NOT_NULL: dict[str, Any] = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "text"}}
SHORT: dict[str, Any] = {
    "type": "expect_column_value_lengths_to_be_between",
    "kwargs": {"column": "text", "max_value": {"$PARAMETER": "longest"}},
    "severity": "warning",
}


def write_suite(folder: Path, text: str) -> None:
    (folder / "triage.json").write_text(text, encoding="utf-8")


def test_results_come_in_the_order_of_the_suite() -> None:
    results = run_suite(ROWS, Suite("triage", (SHORT, NOT_NULL)), parameters={"longest": 5})
    assert [result.expectation for result in results] == [
        Expectation(suite="triage", name=SHORT["type"], column="text", success=False, unexpected=1),
        Expectation(suite="triage", name=NOT_NULL["type"], column="text", success=False, unexpected=1),
    ]
    assert [result.critical for result in results] == [False, True]


def test_failing_rows_are_named_by_their_ids() -> None:
    results = run_suite(ROWS, Suite("triage", (NOT_NULL, SHORT)), ids=["row_id"], parameters={"longest": 5})
    assert [result.failing.rows() for result in results if result.failing is not None] == [[("T2",)], [("T3",)]]


def test_batches_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_suite(ROWS, Suite("triage", (NOT_NULL,)), ids=["row_id"])[0]
    monkeypatch.setattr(suites, "BATCH_ROWS", 1)
    parts = run_suite(ROWS, Suite("triage", (NOT_NULL,)), ids=["row_id"])[0]
    assert parts.expectation == whole.expectation
    assert parts.failing is not None
    assert parts.failing.rows() == [("T2",)]


def test_no_rows_fail_nothing() -> None:
    assert [result.expectation.success for result in run_suite(ROWS.clear(), Suite("triage", (NOT_NULL,)))] == [True]


@pytest.mark.parametrize(
    ("expectation", "reason"),
    [
        pytest.param({**NOT_NULL, "kwargs": {"column": "txt"}}, 'column "txt"', id="unknown column"),
        pytest.param({"type": "expect_wonders", "kwargs": {}}, "expect_wonders", id="unknown expectation"),
        pytest.param({**NOT_NULL, "kwargs": {}}, "column", id="argument missing"),
        pytest.param({"kwargs": {}}, "type", id="no type"),
        pytest.param("not null", "expectation", id="no mapping"),
        pytest.param({**NOT_NULL, "severity": "fatal"}, "fatal", id="unknown severity"),
    ],
)
def test_suite_that_cannot_be_run_is_refused(expectation: Any, reason: str) -> None:
    with pytest.raises(InputError, match=f"suite 'triage' .*{reason}"):
        run_suite(ROWS, Suite("triage", (expectation,)))


def test_suite_is_read_from_its_file(tmp_path: Path) -> None:
    write_suite(tmp_path, json.dumps({"name": "triage", "expectations": [NOT_NULL]}))
    assert load_suite("triage", tmp_path) == Suite("triage", (NOT_NULL,))


def test_missing_suite_names_the_known_ones(tmp_path: Path) -> None:
    write_suite(tmp_path, "{}")
    with pytest.raises(InputError, match=r"there is no suite 'tirage' .* Known: triage"):
        load_suite("tirage", tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"expectations": 3}', "3"])
def test_file_that_is_no_suite_is_refused(tmp_path: Path, text: str) -> None:
    write_suite(tmp_path, text)
    with pytest.raises(InputError, match="suite 'triage' is not JSON with a list of `expectations`"):
        load_suite("triage", tmp_path)
