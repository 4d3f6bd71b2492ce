"""Normalising: changes of each operation, and clean texts that stay unchanged."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nightloom.recipes.schema import Normalise
from nightloom.scanners.normalise import DEFAULT_OPERATIONS, OPERATIONS, normalise, operation_versions

from .pieces import texts


@pytest.mark.parametrize(
    ("text", "becomes", "operations"),
    [
        pytest.param("The cafÃ© is shut", "The café is shut", ("fix_encoding",), id="mojibake"),
        pytest.param("donâ€™t", "don\u2019t", ("fix_encoding",), id="curly quote twice encoded"),
        pytest.param("a\x00b\x07", "ab", ("control_characters",), id="control characters"),
        pytest.param("refund\u200b ple\u00adase\ufeff", "refund please", ("invisible_characters",), id="invisible"),
        pytest.param("cafe\u0301", "café", ("nfc",), id="letter and accent apart"),
        pytest.param("  a\t b \r\n\r\n\r\n c\u00a0d\n", "a b\n\nc d", ("whitespace",), id="spaces and lines"),
        pytest.param(
            " \x00Ã©\u200b", "é", ("fix_encoding", "control_characters", "invisible_characters", "whitespace"), id="all"
        ),
    ],
)
def test_changing_operations_are_named(text: str, becomes: str, operations: tuple[str, ...]) -> None:
    assert normalise(text) == (becomes, operations)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Where is my card?\n\nIt's been 2 weeks.", id="English"),
        pytest.param("Où est ma carte ? Größe: 10 €", id="accents"),
        pytest.param("カードはどこですか。", id="Japanese"),
        pytest.param("👩\u200d👩\u200d👧 🏳️\u200d🌈", id="joined emoji"),
        pytest.param("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", id="Persian with a joiner"),
    ],
)
def test_clean_text_stays_unchanged(text: str) -> None:
    assert normalise(text) == (text, ())


@given(st.text())
def test_normalised_text_is_trimmed(text: str) -> None:
    assert normalise(text)[0] == normalise(text)[0].strip()


@given(texts, st.sets(st.sampled_from(sorted(OPERATIONS))))
@example("Ã\x00©", set(OPERATIONS))
@example("&amp;lt;b&amp;gt;x&amp;lt;/b&amp;gt;", {"html"})
@example("a\u200b \u200b b", {"invisible_characters", "whitespace"})
def test_normalised_text_stays_unchanged(text: str, operations: set[str]) -> None:
    once, _ = normalise(text, operations)
    assert normalise(once, operations) == (once, ())


def test_disabled_operation_changes_nothing() -> None:
    assert normalise("a  b\u200b &amp;", ["invisible_characters"]) == ("a  b &amp;", ("invisible_characters",))
    assert normalise("<b>a</b>  b", ["html", "whitespace"]) == ("a b", ("html", "whitespace"))


def test_versions_list_enabled_operations() -> None:
    assert operation_versions(["whitespace", "nfc"]) == {"nfc": 1, "whitespace": 1}


def test_recipe_names_every_operation() -> None:
    assert tuple(Normalise.model_fields) == tuple(OPERATIONS), "name the same ones in the same order"
    assert Normalise().operations == DEFAULT_OPERATIONS, "DEFAULT_OPERATIONS has those that are on by default"
