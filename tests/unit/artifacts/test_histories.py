"""Histories: an item's id depends on what was said before, where there is something."""

from nightloom.artifacts.histories import item_id
from nightloom.core.digests import digest_json

HISTORY = [{"content": "Hi", "role": "user"}, {"content": "Hello.", "role": "assistant"}]


def test_the_id_of_an_item_of_one_text_is_that_of_text_and_answer() -> None:
    assert item_id("a", "b", None) == digest_json({"text": "a", "answer": "b"})


def test_the_id_of_a_conversation_depends_on_its_turns() -> None:
    assert item_id("a", "b", HISTORY) == digest_json({"text": "a", "answer": "b", "history": HISTORY})
    assert item_id("a", "b", HISTORY) != item_id("a", "b", HISTORY[:1]) != item_id("a", "b", None)
