"""Normalising: changes of each operation, and clean texts that stay unchanged."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nightloom.recipes.preparation import Normalise
from nightloom.scanners.normalise import (
    DEFAULT_OPERATIONS,
    OPERATIONS,
    flatten,
    list_offsets,
    normalise,
    operation_versions,
)

from .pieces import texts


@pytest.mark.parametrize(
    ("text", "becomes", "operations"),
    [
        pytest.param("The cafÃ© is shut", "The café is shut", ("fix_encoding",), id="mojibake"),
        pytest.param("donâ€™t", "don\u2019t", ("fix_encoding",), id="curly quote twice encoded"),
        pytest.param("a\x00b\x07", "ab", ("control_characters",), id="control characters"),
        pytest.param("page\x0cnext\x0bline", "page\nnext\nline", ("control_characters",), id="ends of page and line"),
        pytest.param("refund\u200b ple\u00adase\ufeff", "refund please", ("invisible_characters",), id="invisible"),
        pytest.param("cafe\u0301", "café", ("nfc",), id="letter and accent apart"),
        pytest.param("\n a b \t\r\nc\u00a0\u2003d\u3000\n \n", " a b\nc  d", ("whitespace",), id="spaces and lines"),
        pytest.param(" \ta ", "a", ("whitespace",), id="ends of one line"),
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


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("    return a\n\n\nclass Till:\n    def ring(self):\n\tpass", id="code"),
        pytest.param("steps:\n  - run: make\n    env:\n      A: 1", id="YAML"),
        pytest.param(" kept\n-  old\n+  new", id="diff"),
        pytest.param("item\tkind\tsum\n\tgrey socks\t12", id="tab-separated values"),
        pytest.param("+------+-----+\n| item |   5 |\n+------+-----+", id="table of characters"),
        pytest.param("The fog comes\n        on little cat feet.", id="verse"),
        pytest.param("12:01  WARN   till 3   slow", id="log"),
        pytest.param("\u3000東京\u3000\u30003\n\u3000大阪\u3000\u30005", id="Japanese columns"),
    ],
)
def test_form_of_code_and_tables_stays(text: str) -> None:
    assert normalise(text) == (text, ())


@pytest.mark.parametrize(
    ("text", "becomes"),
    [("  a\t b \r\n\r\n\r\n c\u00a0d\n", "a b\n\nc d"), ("if a:\n    b\u3000 c", "if a:\nb c")],
    ids=["runs", "indentation"],
)
def test_single_spaces_are_a_choice(text: str, becomes: str) -> None:
    assert normalise(text, ["single_spaces"]) == (becomes, ("single_spaces",))


@given(texts)
def test_normalised_text_is_trimmed(text: str) -> None:
    done = normalise(text)[0]
    assert (done, done[:1]) == (done.rstrip(), done.lstrip("\n")[:1])


@given(texts)
def test_offsets_lead_back_to_text(text: str) -> None:
    flat, offsets = flatten(text), list_offsets(text)
    assert len(flat) == len(offsets)
    assert all(a == text[offset] for a, offset in zip(flat, offsets, strict=True) if not a.isspace())
    assert offsets == sorted(set(offsets))


@given(texts, st.sets(st.sampled_from(sorted(OPERATIONS))))
@example("Ã\x00©", set(OPERATIONS))
@example("&amp;lt;b&amp;gt;x&amp;lt;/b&amp;gt;", {"html"})
@example("a\u200b \u200b b", {"invisible_characters", "whitespace"})
def test_normalised_text_stays_unchanged(text: str, operations: set[str]) -> None:
    once, _ = normalise(text, operations)
    assert normalise(once, operations) == (once, ())


def test_disabled_operation_changes_nothing() -> None:
    assert normalise("a  b\u200b &amp;", ["invisible_characters"]) == ("a  b &amp;", ("invisible_characters",))
    assert normalise("<b>a</b> ", ["html", "whitespace"]) == ("a", ("html", "whitespace"))


def test_versions_list_enabled_operations() -> None:
    assert operation_versions(["whitespace", "nfc"]) == {"nfc": 1, "whitespace": 2}


def test_recipe_names_every_operation() -> None:
    assert tuple(Normalise.model_fields) == tuple(OPERATIONS), "name the same ones in the same order"
    assert Normalise().operations == DEFAULT_OPERATIONS, "DEFAULT_OPERATIONS has those that are on by default"
