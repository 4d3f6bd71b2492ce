"""Chats: parse conversations in common formats into a last question, the turns before it, and the answer.

All values are text: lists and objects of a source have been formatted as JSON.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightloom.artifacts.histories import Turn, mark_no_chat
from nightloom.core.digests import canonical_json, parse_json

Values = Mapping[str, str | None]

_ALPACA = ("instruction", "input", "output")
_PROMPT_COMPLETION = ("prompt", "completion")
_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
_TURNS = ("user", "assistant")
_PLAIN_ROLE = re.compile("[A-Za-z_-]{1,20}")


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation in the form of a record.

    Attributes:
        text: The user's last message; for an invalid conversation, the whole value as received.
        history: The messages before it, or the reason why the conversation is invalid; None if there are none.
        answer: The assistant's answer, or None if there is none yet.
    """

    text: str | None
    history: list[Turn] | None = None
    answer: str | None = None


def chat_columns(chat: str, *, answered: bool) -> tuple[str, ...]:
    """Return the columns of a conversation: those of the format, or the single named column.

    Args:
        chat: The recipe's setting: `alpaca`, `prompt_completion`, or the name of a column.
        answered: Whether answers are read too.
    """
    formats = {"alpaca": _ALPACA, "prompt_completion": _PROMPT_COMPLETION}
    columns = formats.get(chat, (chat,))
    return columns if answered or len(columns) == 1 else columns[:-1]


def read_chat(chat: str, values: Values) -> Chat:
    """Parse one conversation; an invalid one keeps its text, with the reason as its history."""
    try:
        if chat == "alpaca":
            return _read_alpaca(values)
        if chat == "prompt_completion":
            return _split(_read_side(values["prompt"], "user") + _read_side(values.get("completion"), "assistant"))
        value = values[chat]
        return Chat(None) if value is None else _split(_read_messages(parse_json(value)))
    except ValueError as error:
        raw = values.get(chat)
        return Chat(canonical_json(dict(values)).decode() if raw is None else raw, mark_no_chat(str(error)))


def _read_alpaca(values: Values) -> Chat:
    parts = [part for part in (values["instruction"], values["input"]) if part and part.strip()]
    return Chat("\n\n".join(parts) or None, answer=values.get("output"))


def _read_side(value: str | None, role: str) -> list[Turn]:
    """Parse a prompt or a completion: a list of messages, or the text of one message with this role."""
    if value is None:
        return []
    # A text may begin with a bracket without being a list of messages; it stays a text.
    try:
        items = parse_json(value) if value.lstrip().startswith("[") else None
    except ValueError:
        items = None
    if (
        isinstance(items, list)
        and items
        and all(isinstance(item, dict) and {"role", "from"} & set(item) for item in items)
    ):
        return _read_messages(items)
    return [{"content": value, "role": role}]


def _read_messages(value: Any) -> list[Turn]:
    """Parse messages (OpenAI) or conversations (ShareGPT), alone or inside an object with that key."""
    if isinstance(value, dict):
        value = value.get("messages", value.get("conversations"))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        msg = "it is not a list of messages"
        raise ValueError(msg)
    return [_read_message(item, f"message {number}") for number, item in enumerate(value, start=1)]


def _read_message(item: dict[str, Any], where: str) -> Turn:
    name = item.get("role", item.get("from"))
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        msg = f"{where} has {_describe_role(name)}; known: {', '.join(sorted(_ROLES))}"
        raise ValueError(msg)
    if item.get("tool_calls") or item.get("function_call"):
        msg = f"{where} calls a tool"
        raise ValueError(msg)
    content = _read_content(item.get("content", item.get("value")))
    if content is None:
        msg = f"{where} has content that is not text"
        raise ValueError(msg)
    return {"content": content, "role": role}


def _describe_role(name: Any) -> str:
    if name is None:
        return "no role"
    # Anything else may be the text of a row, which no reason quotes.
    return f"the unknown role {name!r}" if isinstance(name, str) and _PLAIN_ROLE.fullmatch(name) else "an unknown role"


def _read_content(content: Any) -> str | None:
    """Return the text of a content, which may come in parts, or None if it is not only text."""
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        texts = [part.get("text") for part in content if part.get("type") == "text"]
        parts = [text for text in texts if isinstance(text, str)]
        return "".join(parts) if len(parts) == len(content) else None
    return content if isinstance(content, str) else None


def _split(messages: Sequence[Turn]) -> Chat:
    """Split a conversation into question, history and answer; user and assistant must alternate."""
    first = next((index for index, turn in enumerate(messages) if turn["role"] != "system"), len(messages))
    for index, turn in enumerate(messages[first:]):
        if turn["role"] != _TURNS[index % 2]:
            msg = f"message {first + index + 1} is not the {_TURNS[index % 2]}'s, so the roles do not alternate"
            raise ValueError(msg)
    if first == len(messages):
        msg = "it has no user message"
        raise ValueError(msg)
    answered = messages[-1]["role"] == "assistant"
    turns = messages[:-1] if answered else messages
    return Chat(turns[-1]["content"], list(turns[:-1]) or None, messages[-1]["content"] if answered else None)
