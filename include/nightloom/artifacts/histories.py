"""Histories: the turns before a conversation's last question, and what marks a row that is no conversation."""

from collections.abc import Mapping, Sequence

from nightloom.core.digests import digest_json

Turn = dict[str, str]
"""`content` and `role`: system, user or assistant."""

History = Sequence[Mapping[str, str]]

NO_CHAT = "invalid"
"""Role of the turn that says why a record is no conversation."""


def mark_no_chat(reason: str) -> list[Turn]:
    """Give the history of a record whose conversation cannot be used; `reason` shows nothing of it."""
    return [{"content": reason, "role": NO_CHAT}]


def chat_fault(history: History | None) -> str | None:
    """Say why a record's conversation cannot be used; none: it can, or the model reads one text."""
    return next((turn["content"] for turn in history or () if turn["role"] == NO_CHAT), None)


def item_id(text: str, answer: str, history: History | None) -> str:
    """Give the id of an item of an eval set: the digest of what is asked and of the right answer."""
    asked = {"text": text, "answer": answer}
    return digest_json({**asked, "history": [dict(turn) for turn in history]} if history else asked)
