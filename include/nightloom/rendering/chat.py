"""Chats: rendering of messages to tokens, the same for training, evaluation and batch."""

from collections.abc import Sequence
from typing import Any

Conversation = Sequence[dict[str, str]]
"""Messages with `role` and `content`."""


def plain_conversations(tokenizer: Any, conversations: Sequence[Conversation]) -> list[list[dict[str, str]]]:
    """Return conversations without control tokens in their content.

    Otherwise a text that contains the model's end-of-turn token could end its message and speak as the assistant.
    """
    # Listed once: a tokenizer builds this list of hundreds of tokens on each access.
    control = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return [
        [{**message, "content": _break_up(message["content"], control)} for message in conversation]
        for conversation in conversations
    ]


def encode_chats(tokenizer: Any, conversations: Sequence[Conversation]) -> list[list[int]]:
    """Return the tokens of each conversation, up to the start of the assistant's answer."""
    return encode_texts(tokenizer, render_chats(tokenizer, conversations, asking=True))


def render_chats(tokenizer: Any, conversations: Sequence[Conversation], *, asking: bool) -> list[str]:
    """Return each conversation as text, rendered by the chat template.

    Args:
        tokenizer: A tokenizer with a chat template.
        conversations: The conversations.
        asking: Whether to add the generation prompt, after which the assistant's answer begins.
    """
    return [
        tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=asking)
        for conversation in plain_conversations(tokenizer, conversations)
    ]


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the tokens of rendered texts, which contain all special tokens already."""
    tokens: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    return tokens


def _break_up(text: str, control: Sequence[str]) -> str:
    for token in control:
        if len(token) > 1:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
