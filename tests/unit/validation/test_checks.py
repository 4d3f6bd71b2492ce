"""Checks: what refuses a batch, what sends a row to quarantine, and what is only counted."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.frames import EXAMPLES, RECORDS
from nightloom.core.recipes import AnswerField, FilesSource, Prepare
from nightloom.validation.checks import Validation, validate_examples, validate_records

STANDARD = Path(__file__).parents[3] / "include" / "expectations"
ANSWER = {"team": AnswerField(column="team", one_of=("sales", "billing"))}
SETTINGS = Prepare(source=FilesSource(kind="files", path="rows.csv"))
CUT_TO = datetime(2026, 11, 23, tzinfo=UTC)
SALES = '{"team":"sales"}'


def check_records(
    *rows: tuple[str, str, str | None, str | None], folder: Path = STANDARD, **changes: Any
) -> Validation:
    frame = pl.DataFrame([(*row, None, None, False) for row in rows], RECORDS, orient="row")
    return validate_records(lambda: [frame], ANSWER, SETTINGS.model_copy(update=changes), folder, cut_to=CUT_TO)


def check_examples(*rows: tuple[str, str, str, str, str]) -> Validation:
    frame = pl.DataFrame([(*row, None, None) for row in rows], EXAMPLES, orient="row")
    return validate_examples(lambda: [frame], ANSWER, SETTINGS, STANDARD)


@pytest.fixture
def own_suite(tmp_path: Path) -> Path:
    """The standard suites, and one of a recipe: no shouting (critical), a question (warning)."""
    shutil.copytree(STANDARD, tmp_path / "suites")
    regex = "expect_column_values_to_not_match_regex"
    expectations = [
        {"type": regex, "kwargs": {"column": "text", "regex": "!!!"}},
        {"type": regex, "kwargs": {"column": "text", "regex": "[.]$"}, "severity": "warning"},
        {
            "type": "expect_table_row_count_to_be_between",
            "kwargs": {"max_value": 2},
            "meta": {"refusal": "two rows are asked for, not {rows} {at all}"},
        },
    ]
    document = {"name": "triage", "expectations": expectations}
    (tmp_path / "suites" / "triage.json").write_text(json.dumps(document), encoding="utf-8")
    return tmp_path / "suites"


def test_sound_records_pass() -> None:
    validation = check_records(("T1", "", "hello", SALES))
    assert validation.refusal is None
    assert validation.failures.is_empty()
    assert {(one.suite, one.success) for one in validation.expectations} == {("records", True), ("records_batch", True)}


def test_older_versions_are_not_asked() -> None:
    validation = check_records(("T1", "1", None, None), ("T1", "2", "hello", SALES))
    assert all(one.success for one in validation.expectations)


def test_rows_that_curation_settles_are_counted() -> None:
    validation = check_records(
        ("T1", "", "hello", SALES), ("T2", "", None, '{"team":"nobody"}'), ("T3", "", "x" * 2001, None)
    )
    failed = {(one.name, one.column): one.unexpected for one in validation.expectations if not one.success}
    assert failed == {
        ("expect_column_values_to_not_be_null", "text"): 1,
        ("expect_column_value_lengths_to_be_between", "text"): 1,
        ("expect_column_values_to_not_be_null", "answer.team"): 1,
        ("expect_column_values_to_be_in_set", "answer.team"): 1,
    }
    assert (validation.refusal, len(validation.failures)) == (None, 0)


def test_empty_source_is_refused() -> None:
    assert check_records().refusal == "the source gave no rows for this night's window; check its query or file"


def test_too_few_rows_are_refused() -> None:
    refusal = check_records(("T1", "", "hello", SALES), min_rows=20).refusal
    assert refusal == "the source gave 1 rows where prepare.min_rows asks for at least 20"


def test_target_missing_in_every_row_is_refused() -> None:
    refusal = check_records(("T1", "", "hello", None), ("T2", "", "good bye", None)).refusal
    assert refusal == "the target is missing in every row; check the columns under task.answer"


def test_text_missing_in_every_row_is_refused() -> None:
    refusal = check_records(("T1", "", None, SALES), ("T2", "", "  ", SALES)).refusal
    assert refusal == "the text is missing in every row; check task.columns.text"


def test_own_suite_sends_rows_to_quarantine(own_suite: Path) -> None:
    validation = check_records(
        ("T1", "2", "help!!!", SALES), ("T2", "1", "help.", SALES), folder=own_suite, suite="triage"
    )
    assert validation.refusal is None
    assert validation.failures.rows() == [
        ("T1", "2", "expect_column_values_to_not_match_regex", "text", "suite triage")
    ]


def test_own_suite_may_refuse_the_batch(own_suite: Path) -> None:
    rows = [(f"T{number}", "", f"text {number}", SALES) for number in range(3)]
    refusal = check_records(*rows, folder=own_suite, suite="triage").refusal
    assert refusal == "two rows are asked for, not 3 {at all}"


def test_sound_examples_pass() -> None:
    validation = check_examples(("T1", "c1", "train", "hello", SALES), ("T2", "c2", "test", "good bye", SALES))
    assert validation.refusal is None
    assert all(one.success for one in validation.expectations)


def test_cluster_in_two_splits_is_refused() -> None:
    refusal = check_examples(("T1", "c1", "train", "hello", SALES), ("T2", "c1", "test", "hello.", SALES)).refusal
    assert refusal == "1 clusters of near-duplicates lie in more than one split"


def test_nothing_to_train_on_is_refused() -> None:
    refusal = check_examples(("T1", "c1", "test", "hello", SALES)).refusal
    assert refusal == "no row is left for training; `nightloom quarantine list` says why each was refused"


@pytest.mark.parametrize(
    ("text", "answer", "failed"),
    [
        pytest.param(" hello", SALES, "expect_column_values_to_match_regex", id="untidy text"),
        pytest.param("a\x00b", SALES, "expect_column_values_to_not_match_regex", id="control character"),
        pytest.param("hello", '{"team":"nobody"}', "expect_column_values_to_be_in_set", id="answer"),
    ],
)
def test_example_that_curation_should_not_have_made_is_refused(text: str, answer: str, failed: str) -> None:
    refusal = check_examples(("T1", "c1", "train", text, answer)).refusal
    assert refusal is not None
    assert refusal.startswith(f"{failed} of suite 'examples' failed")
