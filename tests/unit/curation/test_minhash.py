"""MinHash: the similarity by its definition, and signatures against brute force."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.curation.minhash import (
    comparable,
    comparable_texts,
    compute_signatures,
    jaccard,
    may_be_similar,
    shingle_texts,
)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        pytest.param("  Where's MY card?! ", "where s my card", id="case and signs"),
        pytest.param("snake_case", "snake case", id="underscore"),
        pytest.param("Straße", "strasse", id="casefold"),
        pytest.param("?!", "?!", id="signs alone"),
        pytest.param("मेरा_पार्सल, कहाँ है?", "मेरा पार्सल कहाँ है", id="vowels of Hindi"),
        pytest.param("ร่มสีน้ำเงิน (ใหญ่)", "ร่มสีน้ำเงิน ใหญ่", id="vowels and tones of Thai"),
        pytest.param("I \u2764\ufe0f it", "i it", id="variation of an emoji"),
    ],
)
def test_comparable_form_keeps_letters_and_digits(text: str, form: str) -> None:
    assert comparable(text) == form


def test_shingles_are_character_5_grams() -> None:
    whole, *runs = shingle_texts(["my card", "my ca", "y car", " card"])
    assert set(whole) == {gram for run in runs for gram in run}
    assert [len(grams) for grams in shingle_texts(["hi", "hello", "aaaaaaaaa", "my card"])] == [1, 1, 1, 3]


def test_similarity_is_share_of_common_shingles() -> None:
    # 6 and 7 shingles; 6 are common.
    assert jaccard(*shingle_texts(["where card", "where cards"])) == pytest.approx(6 / 7)


@given(st.lists(st.none() | st.text(max_size=30), max_size=12))
def test_many_texts_equal_single_texts(texts: list[str | None]) -> None:
    series = pl.Series("text", texts, pl.String)
    assert comparable_texts(series).to_list() == [None if text is None else comparable(text) for text in texts]


@given(st.lists(st.text(alphabet="ab ", min_size=1, max_size=14), max_size=12))
def test_signature_ignores_other_texts(texts: list[str]) -> None:
    together = compute_signatures(texts, 0.8)
    for position, text in enumerate(texts):
        alone = compute_signatures([text], 0.8)
        assert alone.bands[:, 0].tolist() == together.bands[:, position].tolist()
        assert alone.low_bytes[0].tolist() == together.low_bytes[position].tolist()


def test_bands_find_nearly_all_pairs() -> None:
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(4000)]
    first = [" ".join(chance.sample(words, 30)) for _ in range(2000)]
    second = [f"{text} {' '.join(chance.sample(words, 7))}" for text in first]
    near = [jaccard(*shingle_texts(pair)) for pair in zip(first, second, strict=True)]
    assert 0.78 < min(near) < 0.81 < max(near) < 0.83
    one, two = compute_signatures(first, min(near)), compute_signatures(second, min(near))
    proposed = (one.bands == two.bands).any(axis=0) & may_be_similar(one.low_bytes, two.low_bytes, min(near))
    assert proposed.mean() > 0.995
