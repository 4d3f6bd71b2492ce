"""Histories: an item's id depends on the earlier messages, if there are any."""

from nightloom.artifacts.histories import item_id
from nightloom.core.digests import digest_json

HISTORY = [{"content": "Hi", "role": "user"}, {"content": "Hello.", "role": "assistant"}]


def test_item_id_covers_text_and_answer() -> None:
    assert item_id("a", "b", None) == digest_json({"text": "a", "answer": "b"})


def test_conversation_id_covers_history() -> None:
    assert item_id("a", "b", HISTORY) == digest_json({"text": "a", "answer": "b", "history": HISTORY})
    assert item_id("a", "b", HISTORY) != item_id("a", "b", HISTORY[:1]) != item_id("a", "b", None)
