"""Data Docs: the page of one run, without external resources or row texts."""

import re

import polars as pl
from nightloom.validation.docs import render_docs
from nightloom.validation.suite_validator import Result, SuiteRun
from nightloom.validation.suites import Suite

ROWS = pl.DataFrame({"row_id": ["T1", "T2"], "text": ["ring ann at her private number", None]})


def validate() -> list[Result]:
    expectations = (
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "text"}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "text", "regex": "<b>"}},
        {"type": "expect_column_distinct_values_to_equal_set", "kwargs": {"column": "text", "value_set": ["hello"]}},
        {
            "type": "expect_volume_to_resemble_earlier_nights",
            "kwargs": {"column": "rows", "earlier": [90, 100, 110], "at_least": 0.5},
        },
    )
    run = SuiteRun(Suite("triage", expectations), ids=["row_id"], stats=["rows"])
    run.validate_part(ROWS)
    return run.finish(lambda: [ROWS], {"rows": 2})


def test_page_lists_suites_and_failures() -> None:
    page = render_docs(validate(), "triage, night 2026-11-23").decode()
    assert "<h2>Suite triage</h2>" in page
    assert "0 of 4 expectations met." in page
    assert "values must never be null." in page
    assert "expect_volume_to_resemble_earlier_nights" in page
    assert "0.02" in page


def test_page_holds_no_row_text() -> None:
    assert "private number" not in render_docs(validate(), "triage").decode()


def test_page_fetches_and_runs_nothing() -> None:
    page = render_docs(validate(), "triage").decode()
    assert re.findall(r"<script|<link|src=|href=|url\(|@import|https?:", page) == []
    assert "<b>" not in page


def test_equal_results_give_equal_bytes() -> None:
    assert render_docs(validate(), "triage") == render_docs(validate(), "triage")
