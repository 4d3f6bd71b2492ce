"""Near-duplicates: found over all parts of a night, and between rows and the items of eval sets."""

import random
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from nightloom.curation import near_duplicates as module
from nightloom.curation.minhash import jaccard, shingle_texts
from nightloom.curation.near_duplicates import NearDuplicates, find_near_duplicates
from nightloom.curation.passes import write_signatures
from nightloom.curation.rules import KEY
from nightloom.curation.scratch import Scratch

CARD = "my card has not arrived although i ordered it more than two weeks ago"
CARDS = "my card has not arrived although i ordered it more than 2 weeks ago"
INVOICE = "the invoice of last month shows a service that we never ordered"


def relate(folder: Path, parts: list[list[str]], items: list[str] = [], similarity: float = 0.8) -> NearDuplicates:  # noqa: B006
    """Find near-duplicates among comparable texts in several parts."""
    scratch = Scratch(folder)
    for part, texts in enumerate([*parts, items]):
        rows = pl.DataFrame({"compared": texts, "outcome": None}, {"compared": pl.String, "outcome": pl.String})
        scratch.write_rows(part, rows.with_columns(key=KEY))
        write_signatures(scratch, part, rows.with_columns(key=KEY), similarity)
    starts = np.cumsum([0, *map(len, parts)]).tolist()
    return find_near_duplicates(scratch, starts, similarity)


def test_different_texts_have_no_pairs(tmp_path: Path) -> None:
    assert relate(tmp_path, [[]]).rows.is_empty()
    assert relate(tmp_path, [[CARD], [INVOICE]], ["what is this"]).rows.is_empty()


def test_duplicates_connect_across_parts(tmp_path: Path) -> None:
    rows = relate(tmp_path, [[CARD, INVOICE], [CARDS, CARD]]).rows
    assert rows.select("number", "component").rows() == [(0, 0), (2, 0), (3, 0)]
    assert rows["near"].round(2).to_list() == [0.83, 0.83, 0.83]


def test_exact_duplicates_have_no_near_text(tmp_path: Path) -> None:
    assert relate(tmp_path, [[CARD, CARD]]).rows.rows() == [(0, 0, None, None), (1, 0, None, None)]


def test_row_near_item_connects_no_others(tmp_path: Path) -> None:
    related = relate(tmp_path, [[CARD, CARDS, INVOICE]], [INVOICE, CARD])
    assert related.rows.select("number", pl.col("in_eval").round(2)).rows() == [(0, 1.0), (1, 0.83), (2, 1.0)]
    assert related.pairs.is_empty()
    assert related.items.rows() == [(0, 2, 1.0), (1, 0, 1.0)]


def test_pairs_equal_brute_force(tmp_path: Path) -> None:
    chance = random.Random(3)
    words = ["".join(chance.choices("abcdefgh", k=5)) for _ in range(60)]
    bases = [chance.sample(words, 14) for _ in range(40)]
    texts = [" ".join([*base[: 14 - n % 3], *chance.sample(words, n % 3)]) for n in range(6) for base in bases]
    shingles = shingle_texts(texts)
    expected = {
        (one, two)
        for one, two in combinations(range(len(texts)), 2)
        if texts[one] != texts[two] and jaccard(shingles[one], shingles[two]) >= 0.7
    }
    related = relate(tmp_path, [texts[:100], texts[100:130], texts[130:]], similarity=0.7)
    first = {text: number for number, text in reversed(list(enumerate(texts)))}
    distinct = {(one, two) for one, two in expected if first[texts[one]] == one and first[texts[two]] == two}
    found = {pair for pair in related.pairs.rows() if texts[pair[0]] != texts[pair[1]]}
    assert len(distinct) > 100
    assert found <= distinct
    assert len(found) >= 0.995 * len(distinct)


def test_large_bucket_is_one_component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_BUCKET", 4)
    texts = [f"{CARD} please answer soon my number is {number}" for number in range(100, 300)]
    rows = relate(tmp_path, [texts[:90], texts[90:]]).rows
    assert rows["component"].unique().to_list() == [0]
    assert len(rows) == 200
