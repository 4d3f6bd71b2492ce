"""Accounts: counts add up, and results depend only on the rows."""

import polars as pl
import pytest
from nightloom.artifacts.data import RuleCount
from nightloom.core.errors import InternalError
from nightloom.curation import passes
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField

from .conftest import SALES, MakeRecords, curate


def test_counts_add_up_to_records(records: MakeRecords, answer: dict[str, AnswerField], settings: Prepare) -> None:
    rows = records(("T1", "", "first text", SALES), ("T2", "", "second text", None), ("T3", "", "first text", SALES))
    assert curate(rows, answer, settings).counts == (
        RuleCount(outcome="kept", rule=None, rows=1),
        RuleCount(outcome="merged", rule="exact_duplicate", rows=1),
        RuleCount(outcome="quarantined", rule="missing_answer", rows=1),
    )


def test_same_records_give_same_result(records: MakeRecords, answer: dict[str, AnswerField], settings: Prepare) -> None:
    rows = [("T1", "", "first text", SALES), ("T2", "", "second text", SALES)]
    one, two = curate(records(*rows), answer, settings), curate(records(*reversed(rows)), answer, settings)
    assert one.blobs == two.blobs
    assert one.examples.equals(two.examples)


def test_lost_row_is_noticed(
    records: MakeRecords, answer: dict[str, AnswerField], settings: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "close_rows", lambda rows: rows.head(1).with_columns(outcome=pl.lit("kept")))
    with pytest.raises(InternalError, match="curation lost rows: 2 came in, 1 have an outcome"):
        curate(records(("T1", "", "first", SALES), ("T2", "", "second", SALES)), answer, settings)
