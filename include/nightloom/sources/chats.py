"""Chats: parse conversations in common formats into a last question, the turns before it, and the answer.

All values are text: lists and objects of a source have been formatted as JSON. A null value counts as absent, because
formats with columns fill up with nulls what a row does not have.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from nightloom.artifacts.faults import Fault, FaultRule
from nightloom.artifacts.histories import Turn
from nightloom.core.digests import canonical_json, parse_json
from nightloom.sources.message_keys import COMPANIONS, FLAGS, is_marked_off
from nightloom.sources.messages import (
    TURNS,
    Conversation,
    Message,
    mark_off,
    read_companions,
    read_history,
    read_messages,
    read_nested_side,
    read_side,
)

Values = Mapping[str, str | None]

_FORMATS = {"alpaca": ("instruction", "output"), "prompt_completion": ("prompt", "completion")}
_SIDES = (("prompt", "user"), ("completion", "assistant"))


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation in the form of a record.

    Attributes:
        text: The user's last message; for an unusable conversation, the whole value as received.
        history: The messages before it, or None if there are none.
        answer: The assistant's answer, or None if there is none yet.
        fault: Why the conversation cannot be used, or None.
        unread: Names of its keys that were not read.
    """

    text: str | None
    history: list[Turn] | None = None
    answer: str | None = None
    fault: Fault | None = None
    unread: frozenset[str] = frozenset()


class _NotLearnedError(ValueError):
    """Every answer is marked as not to be learned."""


def chat_columns(chat: str, *, answered: bool) -> tuple[str, ...]:
    """Return the columns of a conversation: those of the format, or the single named column.

    Args:
        chat: The recipe's setting: `alpaca`, `prompt_completion`, or the name of a column.
        answered: Whether answers are read too.
    """
    columns = _FORMATS.get(chat, (chat,))
    return columns if answered or len(columns) == 1 else columns[:-1]


def text_columns(chat: str) -> tuple[str, ...]:
    """Return the columns of a conversation that hold texts alone."""
    return (*_FORMATS["alpaca"], "input") if chat == "alpaca" else ()


def side_columns(chat: str) -> tuple[str, ...]:
    """Return the columns of a conversation that hold texts or messages."""
    return _FORMATS["prompt_completion"] if chat == "prompt_completion" else ()


def companion_columns(chat: str, *, answered: bool) -> tuple[str, ...]:
    """Return the columns that belong to a conversation if the source has them; without answers, no marks of these."""
    alpaca = ("history", "input") if chat == "alpaca" else ()
    return (*COMPANIONS, *alpaca, *(FLAGS if answered else ()))


def read_chat(chat: str, values: Values, *, answered: bool = True, nested: Collection[str] = ()) -> Chat:
    """Parse one conversation; an unusable one keeps its text, with the reason as its fault.

    Args:
        chat: The recipe's setting: `alpaca`, `prompt_completion`, or the name of a column.
        values: The columns of the conversation by name; companions may be absent.
        answered: Whether an answer is wanted: the last one that is not marked as not to be learned. Otherwise the last
            question is read, whatever the marks.
        nested: Columns that held a list or an object, and not the text of one.
    """
    if chat not in _FORMATS and not (values[chat] or "").strip():
        return Chat(None)
    try:
        return _split(_read_columns(chat, values, nested, answered=answered), answered=answered)
    except ValueError as error:
        raw = values.get(chat)
        text = canonical_json({name: one for name, one in values.items() if one is not None}).decode()
        if raw is not None:
            text = raw
        rule: FaultRule = "not_learned" if isinstance(error, _NotLearnedError) else "not_a_chat"
        return Chat(text, fault=Fault(rule, str(error)))


def _read_columns(chat: str, values: Values, nested: Collection[str], *, answered: bool) -> Conversation:
    before = read_companions(values)
    if chat == "alpaca":
        sides = [Conversation(_read_alpaca(values))]
    elif chat == "prompt_completion":
        sides = [
            read_nested_side(name, parse_json(str(values[name])), role, answered=answered)
            if name in nested
            else read_side(values.get(name), role, answered=answered)
            for name, role in _SIDES
        ]
    else:
        sides = [read_messages(_parse(str(values[chat])), answered=answered)]
    messages = [message for side in sides for message in side.messages]
    if answered and is_marked_off(values):
        messages = mark_off(messages)
    return Conversation([*before, *messages], frozenset[str]().union(*(side.unread for side in sides)))


def _parse(value: str) -> Any:
    try:
        return parse_json(value)
    except JSONDecodeError as error:
        msg = f"it is not JSON: {error.msg}, at character {error.pos + 1}"
        raise ValueError(msg) from None


def _read_alpaca(values: Values) -> list[Message]:
    parts = [part for part in (values["instruction"], values.get("input")) if part and part.strip()]
    messages = [*read_history(values.get("history")), Message("user", "\n\n".join(parts))]
    output = values.get("output")
    return messages if output is None else [*messages, Message("assistant", output)]


def _split(conversation: Conversation, *, answered: bool) -> Chat:
    """Split a conversation into question, history and answer; user and assistant must alternate."""
    messages = conversation.messages
    first = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
    for index, message in enumerate(messages[first:]):
        if message.role != TURNS[index % 2]:
            msg = f"message {first + index + 1} is not the {TURNS[index % 2]}'s, so the roles do not alternate"
            raise ValueError(msg)
    if first == len(messages):
        msg = "it has no user message"
        raise ValueError(msg)
    answer = _find_answer(messages, first, answered=answered)
    question = len(messages) - 1 if answer is None else answer - 1
    return Chat(
        text=messages[question].content,
        history=[message.turn for message in messages[:question]] or None,
        answer=None if answer is None else messages[answer].content,
        unread=conversation.unread,
    )


def _find_answer(messages: Sequence[Message], first: int, *, answered: bool) -> int | None:
    """Return the index of the last answer that may be learned, or None if the last message is the user's."""
    if messages[-1].role == "user":
        return None
    if not answered:
        return len(messages) - 1
    learned = [index for index in range(first + 1, len(messages), 2) if messages[index].is_learned]
    if not learned:
        msg = "every answer in it is marked as not to be learned"
        raise _NotLearnedError(msg)
    return learned[-1]
