"""Publishing: counts that add up, and an id that depends on the rows alone."""

import pytest
from nightloom.artifacts.data import RuleCount
from nightloom.core.recipes import AnswerField, Prepare
from nightloom.core.store import ObjectStore
from nightloom.curation import curate as module
from nightloom.curation.curate import curate, publish_curated

from .conftest import SALES, MakeRecords

RECORDS = "0" * 64


def test_counts_add_up_to_the_records(
    store: ObjectStore, records: MakeRecords, answer: dict[str, AnswerField], settings: Prepare
) -> None:
    rows = records(("T1", "", "first text", SALES), ("T2", "", "second text", None), ("T3", "", "first text", SALES))
    curated = publish_curated(store, RECORDS, (), curate(rows, answer, settings), (), None)
    assert curated.identity.counts == (
        RuleCount(outcome="kept", rule=None, rows=1),
        RuleCount(outcome="merged", rule="exact_duplicate", rows=1),
        RuleCount(outcome="quarantined", rule="missing_answer", rows=1),
    )


def test_same_records_have_the_same_id(
    store: ObjectStore, records: MakeRecords, answer: dict[str, AnswerField], settings: Prepare
) -> None:
    rows = [("T1", "", "first text", SALES), ("T2", "", "second text", SALES)]
    one = curate(records(*rows), answer, settings)
    two = curate(records(*reversed(rows)), answer, settings)
    assert publish_curated(store, RECORDS, (), one, (), None) == publish_curated(store, RECORDS, (), two, (), None)


def test_step_that_loses_a_row_is_noticed(
    records: MakeRecords, answer: dict[str, AnswerField], settings: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "close_rows", lambda rows: rows.head(1))
    with pytest.raises(AssertionError, match="curation lost rows: 2 came in and 0 have an outcome"):
        curate(records(("T1", "", "first", SALES), ("T2", "", "second", SALES)), answer, settings)
