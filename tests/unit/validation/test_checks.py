"""Checks: refused batches, quarantined rows, and counted warnings."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightloom.artifacts.frames import EXAMPLES, RECORDS
from nightloom.recipes.limits import Limits, Volume
from nightloom.recipes.preparation import Normalise, Prepare
from nightloom.recipes.schema import AnswerField
from nightloom.recipes.sources import FilesSource
from nightloom.validation.checks import Validation, validate_examples, validate_records
from nightloom.validation.limits import FIRST_NIGHT, Earlier

NO_OWN = Path("nowhere")
"""No folder: the standard suites come from the package."""
ANSWER = {"team": AnswerField(column="team", one_of=("sales", "billing"))}
SETTINGS = Prepare(source=FilesSource(kind="files", path="rows.csv"))
CUT_TO = datetime(2026, 11, 23, tzinfo=UTC)
SALES = '{"team":"sales"}'


def check_records(
    *rows: tuple[str, str, str | None, str | None],
    folder: Path = NO_OWN,
    earlier: Earlier = FIRST_NIGHT,
    **changes: Any,
) -> Validation:
    frame = pl.DataFrame([(*row, None, None, False, None) for row in rows], RECORDS, orient="row")
    settings = SETTINGS.model_copy(update=changes)
    return validate_records(lambda: [frame], ANSWER, settings, folder, cut_to=CUT_TO, new_rows=1, earlier=earlier)


def check_examples(
    *rows: tuple[str, str, str, str, str], settings: Prepare = SETTINGS, folder: Path = NO_OWN, **more: Any
) -> Validation:
    frame = pl.DataFrame([(*row, None, None) for row in rows], EXAMPLES, orient="row")
    return validate_examples(lambda: [frame], ANSWER, settings, folder, **more)


@pytest.fixture
def own_suite(tmp_path: Path) -> Path:
    """A suite of a recipe: no shouting (critical), a question (warning)."""
    (tmp_path / "suites").mkdir()
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


def test_valid_records_pass() -> None:
    validation = check_records(("T1", "", "hello", SALES))
    assert validation.refusal is None
    assert validation.failures.is_empty()
    assert {(one.suite, one.success) for one in validation.expectations} == {("records", True), ("records_batch", True)}


def test_older_versions_are_skipped() -> None:
    validation = check_records(("T1", "1", None, None), ("T1", "2", "hello", SALES))
    assert all(one.success for one in validation.expectations)


def test_rows_for_curation_are_counted() -> None:
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
    assert check_records().refusal == "the source returned no rows for this night's window; check its query or file"


def test_too_few_rows_are_refused() -> None:
    refusal = check_records(("T1", "", "hello", SALES), min_rows=20).refusal
    assert refusal == "the source returned 1 rows, but prepare.min_rows requires at least 20"


def test_target_missing_in_every_row_is_refused() -> None:
    refusal = check_records(("T1", "", "hello", None), ("T2", "", "good bye", None)).refusal
    assert refusal == "the target is missing in every row; check the columns under task.answer"


def test_text_missing_in_every_row_is_refused() -> None:
    refusal = check_records(("T1", "", None, SALES), ("T2", "", "  ", SALES)).refusal
    assert refusal == "the text is missing in every row; check task.columns.text"


def test_own_suite_quarantines_rows(own_suite: Path) -> None:
    validation = check_records(
        ("T1", "2", "help!!!", SALES), ("T2", "1", "help.", SALES), folder=own_suite, suite="triage"
    )
    assert validation.refusal is None
    assert validation.failures.rows() == [
        ("T1", "2", "expect_column_values_to_not_match_regex", "text", "suite triage")
    ]


def test_own_suite_refuses_the_batch(own_suite: Path) -> None:
    rows = [(f"T{number}", "", f"text {number}", SALES) for number in range(3)]
    refusal = check_records(*rows, folder=own_suite, suite="triage").refusal
    assert refusal == "two rows are asked for, not 3 {at all}"


def test_valid_examples_pass() -> None:
    validation = check_examples(("T1", "c1", "train", "hello", SALES), ("T2", "c2", "test", "good bye", SALES))
    assert validation.refusal is None
    assert all(one.success for one in validation.expectations)


def test_cluster_in_two_splits_is_refused() -> None:
    refusal = check_examples(("T1", "c1", "train", "hello", SALES), ("T2", "c1", "test", "hello.", SALES)).refusal
    assert refusal == "1 clusters of near-duplicates are in more than one split"


def test_batch_without_training_rows_is_refused() -> None:
    refusal = check_examples(("T1", "c1", "test", "hello", SALES)).refusal
    assert refusal == "no row is left for training"


@pytest.mark.parametrize(
    ("text", "answer", "failed"),
    [
        pytest.param(" hello", SALES, "expect_column_values_to_be_trimmed", id="untidy text"),
        pytest.param("a\x00b", SALES, "expect_column_values_to_not_match_regex", id="control character"),
        pytest.param("hello", '{"team":"nobody"}', "expect_column_values_to_be_in_set", id="answer"),
    ],
)
def test_invalid_example_is_refused(text: str, answer: str, failed: str) -> None:
    refusal = check_examples(("T1", "c1", "train", text, answer)).refusal
    assert refusal is not None
    assert refusal.startswith(f"{failed} of suite 'examples' failed")


def test_unreadable_conversation_is_left_to_curation() -> None:
    row = ("T1", "", "[]", None, None, None, False, {"measured": "it is empty", "rule": "not_a_chat"})
    frame = pl.DataFrame([row], RECORDS, orient="row")
    validation = validate_records(lambda: [frame], ANSWER, SETTINGS, NO_OWN, cut_to=CUT_TO)
    assert (validation.refusal, len(validation.failures)) == (None, 0)
    assert [one.name for one in validation.expectations if not one.success] == []


def test_far_too_few_rows_are_refused() -> None:
    refusal = check_records(("T1", "", "hello", SALES), earlier=Earlier(rows=(20, 30, 40, 30))).refusal
    assert refusal == (
        "1 rows were received, 0.0333 times the median of the last 4 nights (30); "
        "prepare.limits.volume requires at least 0.5 and at most 3 times"
    )


def test_new_rows_obey_their_limit() -> None:
    earlier, limits = Earlier(new_rows=(30, 30, 30)), Limits(new_rows=Volume(at_most=None))
    assert check_records(("T1", "", "hello", SALES), earlier=earlier).refusal is None
    refusal = check_records(("T1", "", "hello", SALES), earlier=earlier, limits=limits).refusal
    assert refusal is not None
    assert refusal.startswith("1 new rows were received, 0.0333 times the median of the last 3 nights (30); ")


def test_stale_rows_are_refused() -> None:
    row = ("T1", "2026-11-20T00:00:00.000000+00:00", "hello", SALES)
    assert check_records(row).refusal is None
    assert check_records(row, limits=Limits(freshness_hours=24)).refusal == (
        "the newest row is from 2026-11-20T00:00:00.000000+00:00, 72 hours before the end of the night's cut; "
        "prepare.limits.freshness_hours requires at most 24"
    )


def test_recipe_without_limits_refuses_nothing() -> None:
    limits = Limits(volume=None, label_drift=None, text_length_drift=None)
    validation = check_records(("T1", "", "hello", SALES), earlier=Earlier(rows=(900, 900, 900)), limits=limits)
    assert validation.refusal is None
    assert "expect_volume_to_resemble_earlier_nights" not in {one.name for one in validation.expectations}


def test_drifted_labels_are_refused() -> None:
    rows = [(f"T{n}", f"c{n}", "train", f"text {n}", '{"team":"billing"}') for n in range(400)]
    refusal = check_examples(*rows, earlier=Earlier(labels={"team": {"billing": 200, "sales": 200}})).refusal
    assert refusal == (
        "the distribution of the labels of 'team' differs from the last snapshot, by 0.5 in total variation distance; "
        "prepare.limits.label_drift requires at most 0.25"
    )


def test_drifted_text_lengths_are_refused() -> None:
    rows = [(f"T{n}", f"c{n}", "train", f"text {n:04}", SALES) for n in range(400)]
    refusal = check_examples(*rows, earlier=Earlier(text_lengths={"00000512": 400})).refusal
    assert refusal is not None
    assert refusal.startswith("the distribution of text lengths differs from the last snapshot, by 1 in ")


def test_own_suite_reads_batch_statistics(own_suite: Path) -> None:
    expected = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "with_answer", "min_value": 2}}
    (own_suite / "triage.json").write_text(json.dumps({"expectations": [expected]}), encoding="utf-8")
    refusal = check_records(("T1", "", "hello", SALES), folder=own_suite, suite="triage").refusal
    assert refusal == (
        "expect_column_values_to_be_between of suite 'triage' failed for column 'with_answer': "
        "measured 1, required at least 2"
    )


def test_remaining_personal_data_is_counted() -> None:
    validation = check_examples(("T1", "c1", "train", "write to ann@example.com", SALES))
    failed = {one.name: one.unexpected for one in validation.expectations if not one.success}
    assert (validation.refusal, failed) == (None, {"expect_column_values_to_hold_no_pii": 1})


def test_disabled_cleaning_refuses_nothing() -> None:
    untidy = SETTINGS.model_copy(update={"normalise": Normalise(whitespace=False, control_characters=False)})
    assert check_examples(("T1", "c1", "train", " a\x00b", SALES), settings=untidy).refusal is None


def test_examples_are_counted_by_label_and_length() -> None:
    rows = [("T1", "c1", "train", "x" * 9, SALES), ("T2", "c2", "test", "x" * 16, '{"team":"billing"}')]
    validation = check_examples(*rows)
    assert validation.labels == {"team": {"billing": 1, "sales": 1}}
    assert validation.text_lengths == {"00000008": 1, "00000016": 1}


ROWS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["x!!!", "yy", " ", None]), st.sampled_from([SALES, None])),
    max_size=10,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, parts=st.integers(2, 4))
def test_parts_of_records_change_nothing(own_suite: Path, rows: list[tuple[str, str, str]], parts: int) -> None:
    whole = pl.DataFrame(
        [(key, f"{n:02d}", text, answer, None, None, False, None) for n, (key, text, answer) in enumerate(rows)],
        RECORDS,
        orient="row",
    )
    # All versions of a row lie in one part.
    cut = [whole.filter(pl.col("row_id").is_in(list("abcdef"[number::parts]))) for number in range(parts)]
    given_settings = SETTINGS.model_copy(update={"suite": "triage"})
    one, two = (
        validate_records(lambda frames=frames: frames, ANSWER, given_settings, own_suite, cut_to=CUT_TO)
        for frames in ([whole], cut)
    )
    assert two.expectations == one.expectations
    assert two.refusal == one.refusal
    assert two.failures.equals(one.failures)


@settings(max_examples=10)
@given(places=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_parts_of_examples_change_nothing(places: list[int]) -> None:
    rows = [
        (f"T{n % 5}", f"c{n % 3}", ("train", "test")[n % 2], f"text {n}", SALES, None, None) for n in range(len(places))
    ]
    whole = pl.DataFrame(rows, EXAMPLES, orient="row")
    cut = [whole.filter(pl.Series([place == number for place in places])) for number in range(4)]
    one, two = (validate_examples(lambda frames=frames: frames, ANSWER, SETTINGS, NO_OWN) for frames in ([whole], cut))
    assert (two.expectations, two.refusal, two.labels) == (one.expectations, one.refusal, one.labels)
