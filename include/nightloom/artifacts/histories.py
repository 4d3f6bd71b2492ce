"""Histories: the turns before a conversation's last question, and what marks a row that is no conversation."""

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa

from nightloom.artifacts.frames import HISTORY
from nightloom.core.digests import digest_json

Turn = dict[str, str]
"""`content` and `role`: system, user or assistant."""

History = Sequence[Mapping[str, str]]

NO_CHAT = "invalid"
"""Role of the turn that says why a record is no conversation."""

_ARROW_HISTORY = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))


def make_histories(histories: Sequence[History | None]) -> pl.Series:
    """Return histories as a column (HISTORY)."""
    # By Arrow: Polars would make a frame of every single list of dictionaries.
    return pl.Series(values=pa.array(histories, _ARROW_HISTORY), dtype=HISTORY)


def mark_no_chat(reason: str) -> list[Turn]:
    """Return the history of a record whose conversation cannot be used; `reason` shows nothing of it."""
    return [{"content": reason, "role": NO_CHAT}]


def chat_fault(history: History | None) -> str | None:
    """Describe why a record's conversation cannot be used; none: it can, or the model reads one text."""
    return next((turn["content"] for turn in history or () if turn["role"] == NO_CHAT), None)


def item_id(text: str, answer: str, history: History | None) -> str:
    """Return the id of an item of an eval set: the digest of what is asked and of the right answer."""
    asked = {"text": text, "answer": answer}
    return digest_json({**asked, "history": [dict(turn) for turn in history]} if history else asked)
