"""Chats: rendering of messages to tokens, the same for training, evaluation and batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nightloom.core.errors import InputError, first_line

Conversation = Sequence[dict[str, str]]
"""Messages with `role` and `content`."""

NO_KWARGS: Mapping[str, Any] = {}


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


def encode_chats(
    tokenizer: Any, conversations: Sequence[Conversation], template_kwargs: Mapping[str, Any] = NO_KWARGS
) -> list[list[int]]:
    """Return the tokens of each conversation, up to the start of the assistant's answer.

    Raises:
        InputError: The chat template refuses a conversation.
    """
    return encode_texts(tokenizer, render_chats(tokenizer, conversations, asking=True, template_kwargs=template_kwargs))


def render_chats(
    tokenizer: Any,
    conversations: Sequence[Conversation],
    *,
    asking: bool,
    template_kwargs: Mapping[str, Any] = NO_KWARGS,
) -> list[str]:
    """Return each conversation as text, rendered by the chat template.

    Args:
        tokenizer: A tokenizer with a chat template.
        conversations: The conversations.
        asking: Whether to add the generation prompt, after which the assistant's answer begins.
        template_kwargs: Arguments of the template.

    Raises:
        InputError: The chat template refuses a conversation.
    """

    def render(conversation: Conversation) -> str:
        text: str = tokenizer.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=asking, **template_kwargs
        )
        return text

    texts = []
    for conversation in plain_conversations(tokenizer, conversations):
        try:
            texts.append(render(conversation))
        except Exception as error:  # A template is a program of its author: it may refuse in any way.
            msg = f"the chat template refuses these messages: {_explain(render, conversation, error)}"
            # The cause is left out: it may quote a text.
            raise InputError(msg) from None
    return texts


def list_roles(conversation: Conversation) -> str:
    """Return the roles of a conversation for people; of a long one the first eight."""
    roles = [message["role"] for message in conversation]
    return ", ".join(roles[:8] + ["…"] * (len(roles) > 8))


def _explain(render: Callable[[Conversation], str], conversation: Conversation, error: Exception) -> str:
    """Return the reason with the same roles and other texts, because the original message may quote a text."""
    try:
        render([{**message, "content": "a"} for message in conversation])
    except Exception as same:
        return f"{first_line(same)} (roles {list_roles(conversation)})"
    return f"it fails with {type(error).__name__} for one of the texts"


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the tokens of rendered texts, which contain all special tokens already."""
    tokens: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    return tokens


def _break_up(text: str, control: Sequence[str]) -> str:
    for token in control:
        if len(token) > 1:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
