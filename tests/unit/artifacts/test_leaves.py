"""Leaves: the digest of a row is that of its canonical JSON, for any text."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.frames import EXAMPLES
from nightloom.artifacts.leaves import hash_rows, rows_root
from nightloom.core.digests import digest_json

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_turn = st.fixed_dictionaries({"content": _text, "role": _text})
_row = st.fixed_dictionaries(
    {name: st.none() | _text for name in EXAMPLES if name != "history"}
    | {"history": st.none() | st.lists(_turn, max_size=3)}
)


@given(st.lists(_row, max_size=5))
def test_leaf_is_digest_of_canonical_json(rows: list[dict[str, object]]) -> None:
    leaves = hash_rows(pl.DataFrame(rows, EXAMPLES))
    assert [leaf.tobytes().hex() for leaf in leaves] == [digest_json(row) for row in rows]


@pytest.mark.parametrize("character", [chr(code) for code in (*range(0x20), 0x22, 0x5C, 0x7F, 0x2028, 0xFEFF, 0x1F600)])
def test_escaped_characters_hash_like_canonical_json(character: str) -> None:
    row = {"text": f"a{character}b"}
    assert hash_rows(pl.DataFrame([row]))[0].tobytes().hex() == digest_json(row)


@pytest.mark.parametrize(
    "column",
    [pl.Series("x", [1.5]), pl.Series("x", [1]), pl.Series("x", [[1]]), pl.Series("x", [{"b": "2", "a": "1"}])],
    ids=["fractions", "numbers", "lists of numbers", "fields that are not sorted"],
)
def test_other_types_are_refused(column: pl.Series) -> None:
    with pytest.raises(TypeError, match=r"column 'x' of type .* cannot be hashed"):
        hash_rows(column.to_frame())


def test_column_order_keeps_root() -> None:
    frame = pl.DataFrame({"a": ["1", "2"], "b": ["3", None]})
    assert rows_root(frame) == rows_root(frame.select("b", "a"))


def test_row_order_changes_root() -> None:
    frame = pl.DataFrame({"a": ["1", "2"]})
    assert rows_root(frame) != rows_root(frame.reverse())
