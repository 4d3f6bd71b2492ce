"""Chats: conversations in the formats of the field become a last question, the turns before it, and its answer.

Every value is text here: lists and objects of a source are spelled as JSON before.
"""

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


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as a record holds it.

    Attributes:
        text: The last message of the user; of what is no conversation, all of it as it was received.
        history: The messages before it, or why it is no conversation; none where there is nothing before it.
        answer: What the assistant said to it; none where it said nothing yet.
    """

    text: str | None
    history: list[Turn] | None = None
    answer: str | None = None


def chat_columns(chat: str, *, answered: bool) -> tuple[str, ...]:
    """Return the columns that hold conversations: of a format of several columns, or the one that is named.

    Args:
        chat: What the recipe says: `alpaca`, `prompt_completion`, or the name of a column.
        answered: The answers are read too.
    """
    formats = {"alpaca": _ALPACA, "prompt_completion": _PROMPT_COMPLETION}
    columns = formats.get(chat, (chat,))
    return columns if answered or len(columns) == 1 else columns[:-1]


def read_chat(chat: str, values: Values) -> Chat:
    """Read one conversation; one that cannot be used is kept as it is, with the reason as its history."""
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
    """Read a prompt or a completion: a list of messages, or a text that is one message of this role."""
    if value is None:
        return []
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
    """Read OpenAI's messages or ShareGPT's conversations, alone or within the object that names them."""
    if isinstance(value, dict):
        value = value.get("messages", value.get("conversations"))
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        msg = "it is no list of messages"
        raise ValueError(msg)
    return [_read_message(item, f"message {number}") for number, item in enumerate(value, start=1)]


def _read_message(item: dict[str, Any], where: str) -> Turn:
    said = item.get("role", item.get("from"))
    role = _ROLES.get(said) if isinstance(said, str) else None
    if role is None:
        msg = f"{where} has an unknown role"
        raise ValueError(msg)
    if item.get("tool_calls") or item.get("function_call"):
        msg = f"{where} calls a tool"
        raise ValueError(msg)
    content = _read_content(item.get("content", item.get("value")))
    if content is None:
        msg = f"{where} has a content that is not text"
        raise ValueError(msg)
    return {"content": content, "role": role}


def _read_content(content: Any) -> str | None:
    """Return the text of a content, which may come in parts; none: it is not text alone."""
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        texts = [part.get("text") for part in content if part.get("type") == "text"]
        parts = [text for text in texts if isinstance(text, str)]
        return "".join(parts) if len(parts) == len(content) else None
    return content if isinstance(content, str) else None


def _split(messages: Sequence[Turn]) -> Chat:
    """Take a conversation apart: what the system says comes first, then user and assistant take turns."""
    first = next((place for place, turn in enumerate(messages) if turn["role"] != "system"), len(messages))
    for place, turn in enumerate(messages[first:]):
        if turn["role"] != _TURNS[place % 2]:
            msg = f"message {first + place + 1} is not the {_TURNS[place % 2]}'s, so the roles do not alternate"
            raise ValueError(msg)
    if first == len(messages):
        msg = "it has no message of the user"
        raise ValueError(msg)
    answered = messages[-1]["role"] == "assistant"
    asked = messages[:-1] if answered else messages
    return Chat(asked[-1]["content"], list(asked[:-1]) or None, messages[-1]["content"] if answered else None)
