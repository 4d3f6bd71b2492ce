"""Similarity: the definition, and sketches against brute force."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.curation.similarity import (
    Pair,
    comparable,
    find_near_pairs,
    jaccard,
    label_components,
    shingle,
)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        pytest.param("  Where's MY card?! ", "where s my card", id="case and signs"),
        pytest.param("snake_case", "snake case", id="underscore"),
        pytest.param("Straße", "strasse", id="casefold"),
        pytest.param("?!", "?!", id="signs alone"),
    ],
)
def test_comparable_form_keeps_letters_and_digits(text: str, form: str) -> None:
    assert comparable(text) == form


def test_shingles_are_runs_of_five_characters() -> None:
    assert set(shingle("my card")) == {*shingle("my ca"), *shingle("y car"), *shingle(" card")}
    assert [len(shingle(text)) for text in ("hi", "hello", "aaaaaaaaa", "my card")] == [1, 1, 1, 3]


def test_similarity_is_the_share_of_common_shingles() -> None:
    # 6 and 7 shingles, of which 6 are common.
    assert jaccard(shingle("where card"), shingle("where cards")) == pytest.approx(6 / 7)


def test_no_texts_have_no_pairs() -> None:
    assert find_near_pairs([], 0.8) == []


@given(st.lists(st.text(alphabet="ab ", min_size=1, max_size=14), unique=True, max_size=30))
def test_sketches_find_what_brute_force_finds(texts: list[str]) -> None:
    shingles = [shingle(text) for text in texts]
    expected = {
        (one, two) for one, two in combinations(range(len(texts)), 2) if jaccard(shingles[one], shingles[two]) >= 0.8
    }
    assert {(pair.first, pair.second) for pair in find_near_pairs(texts, 0.8)} == expected


def test_components_join_what_pairs_connect() -> None:
    labels = label_components(5, [Pair(0, 3, 0.9), Pair(3, 4, 0.8)])
    assert labels[0] == labels[3] == labels[4]
    assert len(set(labels)) == 3
