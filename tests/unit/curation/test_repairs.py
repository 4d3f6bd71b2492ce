"""Repairs: a repaired row is counted under one operation, and labels are repaired like texts."""

from collections.abc import Mapping

import polars as pl
import pytest
from nightloom.curation.outcomes import close_rows
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField
from nightloom.scanners.normalise import OPERATIONS

from .conftest import MakeRecords, curate

NOTHING = dict.fromkeys(("outcome", "rule", "measured", "threshold", "into"), pl.lit(None, pl.String))


@pytest.mark.parametrize("repair", [*OPERATIONS, "pii", "serial_numbers"])
def test_single_repair_counts(repair: str) -> None:
    rows = pl.DataFrame({"repairs": [repair]}).with_columns(**NOTHING)
    assert close_rows(rows).select("outcome", "rule").row(0) == ("repaired", repair)


@pytest.mark.parametrize(
    ("repairs", "rule"),
    [
        ("label,whitespace", "label"),
        ("label,pii", "pii"),
        ("nfc,whitespace", "nfc"),
        ("html,whitespace", "html"),
        ("html,pii", "pii"),
        ("serial_numbers,pii", "pii"),
    ],
)
def test_weightiest_repair_counts(repairs: str, rule: str) -> None:
    rows = pl.DataFrame({"repairs": [repairs]}).with_columns(**NOTHING)
    assert close_rows(rows)["rule"].item() == rule


@pytest.mark.parametrize(
    ("value", "repairs"),
    [
        pytest.param("re\u0301clamation", "label", id="decomposed"),
        pytest.param("r\u00e9clamation      ", "label", id="padded"),
        pytest.param("\u00a0r\u00e9clamation\u200b", "label", id="no-break space"),
        pytest.param("rÃ©clamation", "label", id="wrongly decoded"),
        pytest.param("r\u00e9clamation", "", id="as in the recipe"),
    ],
)
def test_labels_are_repaired_like_texts(records: MakeRecords, settings: Prepare, value: str, repairs: str) -> None:
    answer = {"team": AnswerField(column="team", one_of=("re\u0301clamation ", "human\u00a0 resources"))}
    curated = curate(records(("T1", "", "Where is my card?", f'{{"team":"{value}"}}')), answer, settings)
    outcome = ("repaired", "label") if repairs else ("kept", None)
    assert curated.ledger.select("outcome", "rule", "repairs").row(0) == (*outcome, repairs)
    assert curated.examples["answer"].to_list() == ['{"team":"r\u00e9clamation"}']


def test_label_is_repaired_before_other_pieces(
    records: MakeRecords, answer: Mapping[str, AnswerField], settings: Prepare
) -> None:
    curated = curate(records(("T1", "", "ask ann@example.com ", '{"reply":"ok ","team":"sales "}')), answer, settings)
    assert curated.ledger["repairs"].to_list() == ["label,whitespace,pii"]
    assert curated.examples["answer"].to_list() == ['{"reply":"ok","team":"sales"}']


def test_labels_written_otherwise_do_not_contradict(
    records: MakeRecords, answer: Mapping[str, AnswerField], settings: Prepare
) -> None:
    rows = records(
        ("T1", "1", "Where is my card?", '{"reply":"ok","team":"sales"}'),
        ("T2", "2", "Where is my card?", '{"reply":"ok","team":"sales\u00a0"}'),
    )
    assert curate(rows, answer, settings).ledger["rule"].to_list() == [None, "exact_duplicate"]
