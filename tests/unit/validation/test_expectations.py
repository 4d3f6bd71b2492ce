"""Expectations: our own, by name in a suite."""

from typing import Any

import polars as pl
import pytest
from nightloom.artifacts.frames import HISTORY
from nightloom.validation.suite_validator import Result, SuiteRun
from nightloom.validation.suites import Suite


def validate(name: str, frame: pl.DataFrame, **kwargs: Any) -> Result:
    run = SuiteRun(Suite("triage", ({"type": name, "kwargs": kwargs},)), ids=["row_id"])
    run.validate_part(frame)
    return run.finish(lambda: [frame])[0]


def validate_stat(name: str, value: Any, **kwargs: Any) -> Result:
    expected = {"type": name, "kwargs": {"column": "statistic", **kwargs}}
    return SuiteRun(Suite("triage", (expected,)), stats=["statistic"]).finish(list, {"statistic": value})[0]


@pytest.mark.parametrize(
    ("roles", "success"),
    [
        pytest.param(None, True, id="one text"),
        pytest.param("", True, id="no turn yet"),
        pytest.param("s", True, id="system alone"),
        pytest.param("ssua", True, id="system first"),
        pytest.param("uaua", True, id="two turns"),
        pytest.param("uauu", False, id="user twice"),
        pytest.param("au", False, id="assistant first"),
        pytest.param("uau", False, id="last question without answer"),
        pytest.param("uasua", False, id="system between"),
        pytest.param("ut", False, id="unknown role"),
    ],
)
def test_roles_alternate(roles: str | None, success: bool) -> None:
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    turns = None if roles is None else [{"content": "x", "role": names[role]} for role in roles]
    frame = pl.DataFrame({"row_id": ["T1"], "history": [turns]}, {"row_id": pl.String, "history": HISTORY})
    result = validate("expect_column_values_to_alternate_roles", frame, column="history")
    assert (result.success, result.unexpected) == (success, int(not success))


def test_conversation_ends_with_an_answer() -> None:
    frame = pl.DataFrame(
        {"row_id": ["T1", "T2", "T3"], "answer.team": ["sales", None, " "], "answer.urgency": [None, None, None]},
        {"row_id": pl.String, "answer.team": pl.String, "answer.urgency": pl.String},
    )
    columns = ["answer.team", "answer.urgency"]
    result = validate("expect_conversations_to_end_with_assistant", frame, column_list=columns)
    assert result.failing is not None
    assert result.failing["row_id"].to_list() == ["T2", "T3"]


def test_personal_data_is_found_in_turns() -> None:
    turns = [[{"content": "write to ann@example.com", "role": "user"}], [{"content": "hello", "role": "user"}]]
    frame = pl.DataFrame(
        {"row_id": ["T1", "T2"], "text": ["ring me", "card 4111 1111 1111 1111"], "history": turns},
        {"row_id": pl.String, "text": pl.String, "history": HISTORY},
    )
    for column, row in (("text", "T2"), ("history", "T1")):
        result = validate("expect_column_values_to_hold_no_pii", frame, column=column)
        assert result.failing is not None
        assert result.failing["row_id"].to_list() == [row]


@pytest.mark.parametrize(
    ("name", "rows"),
    [("expect_column_values_to_not_be_blank", ["T1", "T2"]), ("expect_column_values_to_be_trimmed", ["T2", "T3"])],
    ids=["blank", "trimmed"],
)
def test_white_space_is_noticed(name: str, rows: list[str]) -> None:
    texts = ["", "\u00a0\n", "end ", "a b", None]
    frame = pl.DataFrame({"row_id": ["T1", "T2", "T3", "T4", "T5"], "text": texts})
    result = validate(name, frame, column="text")
    assert result.failing is not None
    assert result.failing["row_id"].to_list() == rows


@pytest.mark.parametrize(
    ("newest", "success", "age"),
    [
        ("2026-11-22T20:00:00.000000+00:00", True, 4.0),
        ("2026-11-21T23:00:00.000000+00:00", False, 25.0),
        (None, False, None),
    ],
    ids=["fresh", "old", "unknown"],
)
def test_newest_time_is_fresh(newest: str | None, success: bool, age: float | None) -> None:
    moment = "2026-11-23T00:00:00+00:00"
    result = validate_stat("expect_newest_time_to_be_fresh", newest, hours=24, moment=moment)
    assert (result.success, result.measured) == (success, age)


def test_newest_time_covers_whole_column() -> None:
    frame = pl.DataFrame({"row_id": ["T1", "T2"], "version": ["2026-11-22T23:00:00+00:00", ""]})
    moment = "2026-11-23T00:00:00+00:00"
    result = validate("expect_newest_time_to_be_fresh", frame, column="version", hours=2, moment=moment)
    assert (result.success, result.measured) == (True, 1.0)


def test_volume_is_relative_to_median() -> None:
    name = "expect_volume_to_resemble_earlier_nights"
    result = validate_stat(name, 300, earlier=[1000, 1200, 900], at_least=0.5, at_most=3.0)
    assert (result.success, result.measured) == (False, 0.3)
    assert result.expectation.limit == "at least 0.5 and at most 3"
    assert validate_stat(name, 300, earlier=[1000, 1200], at_least=0.5, at_most=3.0).success


def test_distribution_uses_total_variation() -> None:
    name, earlier = "expect_distribution_to_resemble_last_snapshot", {"sales": 500, "billing": 500}
    result = validate_stat(name, {"sales": 900, "billing": 100}, earlier=earlier, at_most=0.25)
    assert (result.success, result.measured) == (False, 0.4)
    assert validate_stat(name, {"sales": 700, "billing": 300}, earlier=earlier, at_most=0.25).success
