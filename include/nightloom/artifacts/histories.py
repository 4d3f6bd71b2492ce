"""Histories: the messages before a conversation's last question, and the mark of an invalid conversation."""

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa

from nightloom.artifacts.frames import HISTORY
from nightloom.core.digests import digest_json

Turn = dict[str, str]
"""`content` and `role`: system, user or assistant."""

History = Sequence[Mapping[str, str]]

NO_CHAT = "invalid"
"""Role of the message that holds why a record is not a valid conversation."""

_ARROW_HISTORY = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))


def make_histories(histories: Sequence[History | None]) -> pl.Series:
    """Return histories as a column (HISTORY)."""
    # Through Arrow: Polars would build a frame for every list of dictionaries.
    return pl.Series(values=pa.array(histories, _ARROW_HISTORY), dtype=HISTORY)


def mark_no_chat(reason: str) -> list[Turn]:
    """Return the history of a record with an unusable conversation; `reason` contains no row text."""
    return [{"content": reason, "role": NO_CHAT}]


def no_chat_reason() -> pl.Expr:
    """Return why each record's conversation cannot be used, or null, from its history."""
    marks = pl.col("history").list.filter(pl.element().struct.field("role") == NO_CHAT)
    return marks.list.first().struct.field("content")


def chat_fault(history: History | None) -> str | None:
    """Return why a record's conversation cannot be used, or None if it can or there is none."""
    return next((turn["content"] for turn in history or () if turn["role"] == NO_CHAT), None)


def item_id(text: str, answer: str, history: History | None) -> str:
    """Return the id of an eval set item: the digest of its question and reference answer."""
    asked = {"text": text, "answer": answer}
    return digest_json({**asked, "history": [dict(turn) for turn in history]} if history else asked)
