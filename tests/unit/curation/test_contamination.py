"""Contamination: refused rows, and the overlap of items with the remaining rows."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.curation.contamination import find_repeated, index_items, list_grams, measure_rows
from nightloom.recipes.schema import AnswerField, Prepare

from .conftest import SALES, MakeRecords, curate

Answer = Mapping[str, AnswerField]

ITEM = "The courier left my parcel with a neighbour who says that she has never seen it."
AROUND = f"I wrote to you twice since Monday and nobody cares about what I say, so once more from the beginning: {ITEM}"
HALF = "The courier left my parcel with a neighbour who is on holiday, please send another one to the office instead."


def test_grams_do_not_cross_texts() -> None:
    grams = list_grams(pl.Series(["a b c d", "e f", "g h i"]), 3)
    assert grams.select("text", "word").rows() == [(0, 0), (0, 1), (2, 0)]
    assert grams["gram"].n_unique() == 3


def test_grams_of_other_sizes_differ() -> None:
    assert not set(list_grams(pl.Series(["a b c"]), 2)["gram"]) & set(list_grams(pl.Series(["a b c"]), 3)["gram"])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        pytest.param(AROUND, "in_eval_set", id="item within a longer row"),
        pytest.param(ITEM[:47], "in_eval_set", id="row within a longer item"),
        pytest.param(HALF, None, id="common beginning"),
    ],
)
def test_row_overlapping_item_is_refused(
    records: MakeRecords, answer: Answer, settings: Prepare, text: str, rule: str | None
) -> None:
    curated = curate(records(("T1", "", text, SALES)), answer, settings, [ITEM])
    assert curated.ledger["rule"].to_list() == [rule]


def test_reason_holds_repeated_share(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    curated = curate(records(("T1", "", AROUND, SALES)), answer, settings, [ITEM])
    assert curated.quarantine.select("measured", "threshold").rows() == [("1.0 of 8-grams", "0.7")]


def test_item_repeated_little_is_clean(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    curated = curate(records(("T1", "", AROUND, SALES), ("T2", "", HALF, SALES)), answer, settings, [ITEM, "Short one"])
    assert curated.contamination is not None
    one, two = curated.contamination.select("clean", "grams_8", "grams_13", "spans").rows()
    # Of 9 runs of eight words, 2 stand in the row that stays.
    assert one == (True, pytest.approx(2 / 9), 0.0, [{"end": 47, "start": 0}])
    assert two == (True, None, None, [])
    assert ITEM[0:47] == "The courier left my parcel with a neighbour who"


def test_item_repeated_by_several_is_contaminated(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    words = ITEM.removesuffix(".").split()
    rows = records(
        ("T1", "", f"{' '.join(words[:11])} and now I have to wait for nothing, which is a shame", SALES),
        ("T2", "", f"Nobody told me anything at all, but the old man and {' '.join(words[6:])}", SALES),
    )
    curated = curate(rows, answer, settings, [ITEM])
    assert curated.ledger["outcome"].to_list() == ["kept", "kept"]
    assert curated.contamination is not None
    assert curated.contamination.select("clean", "grams_8").rows() == [(False, pytest.approx(7 / 9))]


def test_row_refused_for_item_is_named(records: MakeRecords, answer: Answer, settings: Prepare) -> None:
    items = ["Nothing", "where is my card", ITEM]
    curated = curate(
        records(("T1", "", "Where is my card?", SALES), ("T2", "", AROUND, SALES)), answer, settings, items
    )
    assert curated.contamination is not None
    assert curated.contamination.select("row_id", "similarity").rows() == [(None, None), ("T1", 1.0), ("T2", None)]


_sentences = st.lists(st.sampled_from("abcd"), max_size=16).map(" ".join)


@given(st.lists(_sentences, min_size=1, max_size=4), st.lists(_sentences, min_size=1, max_size=4))
def test_shares_equal_those_of_sets(rows: list[str], items: list[str]) -> None:
    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.split(" ")
        return {tuple(words[start : start + 8]) for start in range(len(words) - 7)}

    expected = {}
    for position, row in enumerate(rows):
        shared = [(runs(row) & runs(item), runs(item)) for item in items if runs(row) & runs(item)]
        if shared:
            expected[position] = max(max(len(both) / len(of), len(both) / len(runs(row))) for both, of in shared)
    texts, index = pl.Series(rows), index_items(pl.Series(items))
    repeated = find_repeated(texts, np.arange(len(rows), dtype=np.uint32), index)
    measured = measure_rows(repeated, texts, index)
    assert dict(measured.select("position", "containment").rows()) == pytest.approx(expected)
