"""Chats: the one rendering of messages to tokens that training, evaluation and batch all use."""

from collections.abc import Sequence
from typing import Any

Conversation = Sequence[dict[str, str]]
"""Messages with `role` and `content`, as every stage passes them on; the last one is the user's."""


def plain_conversations(tokenizer: Any, conversations: Sequence[Conversation]) -> list[list[dict[str, str]]]:
    """Return conversations with no control token in their content.

    A text that spells the model's end-of-turn token would otherwise end its turn and speak as the assistant.
    """
    # Listed once for all: a tokenizer makes the list anew each time, of hundreds of tokens.
    control = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return [
        [{**message, "content": _break_up(message["content"], control)} for message in conversation]
        for conversation in conversations
    ]


def encode_chats(tokenizer: Any, conversations: Sequence[Conversation]) -> list[list[int]]:
    """Return the tokens of each conversation, up to where the assistant's answer begins."""
    return encode_texts(tokenizer, render_chats(tokenizer, conversations, asking=True))


def render_chats(tokenizer: Any, conversations: Sequence[Conversation], *, asking: bool) -> list[str]:
    """Return each conversation as the chat template writes it.

    Args:
        tokenizer: With a chat template.
        conversations: What was said.
        asking: The assistant's answer begins where the text ends.
    """
    return [
        tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=asking)
        for conversation in plain_conversations(tokenizer, conversations)
    ]


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the tokens of texts that a chat template wrote: it has put all special tokens into them."""
    tokens: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    return tokens


def _break_up(text: str, control: Sequence[str]) -> str:
    for token in control:
        if len(token) > 1:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
