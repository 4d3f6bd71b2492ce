"""Eval sets: which rows become items, and what the id depends on."""

import pytest
from nightloom.artifacts.data import EvalSetManifest, Records, RecordsContent
from nightloom.artifacts.frames import RECORDS, put_frame
from nightloom.artifacts.reading import read_eval_set
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.curation.evalsets import FrozenEvalSet, describe_rows, find_refusal, freeze_eval_set
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.schema import AnswerField

from .conftest import BILLING, SALES, MakeRecords, Row

CARD = "My card has not arrived although I ordered it more than two weeks ago"


@pytest.fixture
def freeze(store: ObjectStore, records: MakeRecords, answer: dict[str, AnswerField], settings: Prepare) -> "Freeze":
    return Freeze(store, records, answer, settings)


class Freeze:
    """Freeze rows as the eval set `gold`."""

    def __init__(
        self, store: ObjectStore, records: MakeRecords, answer: dict[str, AnswerField], settings: Prepare
    ) -> None:
        self.store, self._records, self._answer, self._settings = store, records, answer, settings

    def __call__(self, *rows: Row) -> EvalSetManifest:
        return self.count(*rows).manifest

    def count(self, *rows: Row) -> FrozenEvalSet:
        frame = put_frame(self.store, self._records(*rows), RECORDS)
        content = RecordsContent(rows=len(rows), new_rows=len(rows), parts=(frame,))
        manifest = self.store.publish(Records(content=content))
        return freeze_eval_set(self.store, "gold", manifest.id, self._answer, self._settings)


def test_items_are_cleaned_like_rows(freeze: Freeze) -> None:
    evalset = freeze(("T1", "", "  cafÃ© of ann@example.com ", SALES))
    assert read_eval_set(freeze.store, evalset.id)["text"].to_list() == ["café of <EMAIL_ADDRESS>"]


def test_labels_of_items_are_spelled_as_in_recipe(freeze: Freeze) -> None:
    evalset = freeze(("T1", "", CARD, '{"reply":"ok","team":"\u2003billing "}'))
    assert read_eval_set(freeze.store, evalset.id)["answer"].to_list() == [BILLING]


def test_every_row_is_counted(freeze: Freeze) -> None:
    frozen = freeze.count(
        ("T1", "2026-11-01", "an older version", SALES),
        ("T1", "2026-11-02", CARD, SALES),
        ("T2", "", CARD, SALES),
        ("T3", "", "no answer", None),
        ("T4", "", "another answer", '{"reply":"ok","team":"Billing"}'),
        ("T5", "", "", SALES),
        ("T6", "", "one of two", SALES),
        ("T6", "", "the other", SALES),
    )
    assert [(count.outcome, count.rule, count.rows) for count in frozen.rows.counts] == [
        ("kept", None, 1),
        ("merged", "exact_duplicate", 1),
        ("quarantined", "empty_text", 1),
        ("quarantined", "invalid_answer", 1),
        ("quarantined", "missing_answer", 1),
        ("quarantined", "same_version", 2),
        ("superseded", "newer_version", 1),
    ]
    assert describe_rows(frozen.rows) == (
        "eval set gold: 1 of 6 rows is an item (refused: 1 empty_text, 1 invalid_answer, 1 missing_answer, "
        "2 same_version); no item has team billing, support"
    )


def test_equal_rows_of_one_key_are_no_fault(freeze: Freeze) -> None:
    assert freeze.count(("T1", "", CARD, SALES), ("T1", "", CARD, SALES), ("T2", "", "b", BILLING)).rows.refused == {}


def test_night_is_refused_above_share(freeze: Freeze) -> None:
    rows = freeze.count(*((f"T{n}", "", f"question {n}", SALES if n else None) for n in range(8))).rows
    assert find_refusal([rows], 0.125) is None
    assert find_refusal([rows], 0.1) == (
        "eval set gold: 7 of 8 rows are items (refused: 1 missing_answer); no item has team billing, support; "
        "correct the other rows, or raise evaluate.max_refused (0.1)"
    )


def test_near_duplicate_items_share_cluster(freeze: Freeze) -> None:
    evalset = freeze(("T1", "", CARD, SALES), ("T2", "", f"{CARD}!", BILLING), ("T3", "", "something else", SALES))
    items = read_eval_set(freeze.store, evalset.id)
    assert (len(items), items["cluster_id"].n_unique()) == (3, 2)


def test_id_depends_on_content_alone(freeze: Freeze) -> None:
    assert freeze(("T1", "", CARD, SALES)).id == freeze(("X9", "", CARD, SALES)).id
    assert freeze(("T1", "", CARD, SALES)).id != freeze(("T1", "", CARD, BILLING)).id


def test_eval_set_without_items_is_refused(freeze: Freeze) -> None:
    with pytest.raises(
        InputError, match=r"eval set 'gold' has no usable item in 1 row .refused: 1 missing_answer.; check its source"
    ):
        freeze(("T1", "", CARD, None))
