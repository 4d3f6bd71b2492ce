"""Eval sets: which rows become items, and what the id depends on."""

import pytest
from nightloom.artifacts.data import EvalSetManifest, Records, RecordsContent
from nightloom.artifacts.frames import RECORDS, put_frame
from nightloom.artifacts.reading import read_eval_set
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.curation.evalsets import freeze_eval_set
from nightloom.recipes.schema import AnswerField, Prepare

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
        frame = put_frame(self.store, self._records(*rows), RECORDS)
        content = RecordsContent(rows=len(rows), new_rows=len(rows), parts=(frame,))
        manifest = self.store.publish(Records(content=content))
        return freeze_eval_set(self.store, "gold", manifest.id, self._answer, self._settings)


def test_items_are_cleaned_like_rows(freeze: Freeze) -> None:
    evalset = freeze(("T1", "", "  cafÃ© of ann@example.com ", SALES))
    assert read_eval_set(freeze.store, evalset.id)["text"].to_list() == ["café of <EMAIL_ADDRESS>"]


def test_unusable_rows_are_counted(freeze: Freeze) -> None:
    evalset = freeze(
        ("T1", "", CARD, SALES), ("T2", "", CARD, SALES), ("T3", "", "no answer", None), ("T4", "", "", SALES)
    )
    assert (evalset.content.items, evalset.provenance.refused) == (1, 3)


def test_near_duplicate_items_share_cluster(freeze: Freeze) -> None:
    evalset = freeze(("T1", "", CARD, SALES), ("T2", "", f"{CARD}!", BILLING), ("T3", "", "something else", SALES))
    items = read_eval_set(freeze.store, evalset.id)
    assert (len(items), items["cluster_id"].n_unique()) == (3, 2)


def test_id_depends_on_content_alone(freeze: Freeze) -> None:
    assert freeze(("T1", "", CARD, SALES)).id == freeze(("X9", "", CARD, SALES)).id
    assert freeze(("T1", "", CARD, SALES)).id != freeze(("T1", "", CARD, BILLING)).id


def test_eval_set_without_items_is_refused(freeze: Freeze) -> None:
    with pytest.raises(InputError, match="eval set 'gold' has no usable item in 1 rows"):
        freeze(("T1", "", CARD, None))
