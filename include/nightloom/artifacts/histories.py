"""Histories: the messages before a conversation's last question."""

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa

from nightloom.artifacts.frames import HISTORY
from nightloom.core.digests import digest_json

Turn = dict[str, str]
"""`content` and `role`: system, user or assistant."""

History = Sequence[Mapping[str, str]]

_ARROW_HISTORY = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))


def make_histories(histories: Sequence[History | None]) -> pl.Series:
    """Return histories as a column (HISTORY)."""
    # Through Arrow: Polars would build a frame for every list of dictionaries.
    return pl.Series(values=pa.array(histories, _ARROW_HISTORY), dtype=HISTORY)


def item_id(text: str, answer: str, history: History | None) -> str:
    """Return the id of an eval set item: the digest of its question and reference answer."""
    asked = {"text": text, "answer": answer}
    return digest_json({**asked, "history": [dict(turn) for turn in history]} if history else asked)
