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
from nightloom.conversations.message_keys import COMPANIONS, SYSTEM
from nightloom.conversations.messages import (
    TURNS,
    Conversation,
    Message,
    read_companions,
    read_history,
    read_messages,
    read_nested_side,
    read_side,
)
from nightloom.conversations.other_columns import MARKS, OTHERS, split_names
from nightloom.core.digests import canonical_json, parse_json

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


def companion_columns(chat: str) -> tuple[str, ...]:
    """Return the columns that belong to a conversation if the source has them, besides its marks."""
    return (*COMPANIONS, *(("history", "input") if chat == "alpaca" else ()))


def read_chat(chat: str, values: Values, *, answered: bool = True, nested: Collection[str] = ()) -> Chat:
    """Parse one conversation; an unusable one keeps its text, with the reason as its fault.

    Args:
        chat: The recipe's setting: `alpaca`, `prompt_completion`, or the name of a column.
        values: The columns of the conversation by name; companions, OTHERS and MARKS may be absent.
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
        own = {name: one for name, one in values.items() if one is not None and name not in (OTHERS, MARKS)}
        text = canonical_json(own).decode()
        if raw is not None:
            text = raw
        rule: FaultRule = "not_learned" if isinstance(error, _NotLearnedError) else "not_a_chat"
        return Chat(text, fault=Fault(rule, str(error)))


def _read_columns(chat: str, values: Values, nested: Collection[str], *, answered: bool) -> Conversation:
    marks = values.get(MARKS)
    next_to = parse_json(marks) if marks else {}
    before = read_companions({**_parse_nested(values, nested), **next_to})
    if chat == "alpaca":
        sides = [_read_alpaca(values)]
    elif chat == "prompt_completion":
        sides = [
            read_nested_side(name, parse_json(str(values[name])), role, answered=answered)
            if name in nested
            else read_side(values.get(name), role, answered=answered)
            for name, role in _SIDES
        ]
    else:
        sides = [read_messages(_parse(str(values[chat])), answered=answered)]
    conversation = Conversation(
        [*sides[0].received, *(message for side in sides[1:] for message in (*side.before, *side.received))],
        split_names(values.get(OTHERS)).union(*(side.unread for side in sides)),
        [*before, *sides[0].before],
    )
    return conversation.mark(next_to, are_columns=True) if next_to and answered else conversation


def _parse_nested(values: Values, nested: Collection[str]) -> Mapping[str, Any]:
    """Return the columns, with the system message parsed if it was a list or an object."""
    names = [name for name in SYSTEM if name in nested and values.get(name) is not None]
    return {**values, **{name: parse_json(str(values[name])) for name in names}} if names else values


def _parse(value: str) -> Any:
    try:
        return parse_json(value)
    except JSONDecodeError as error:
        msg = f"it is not JSON: {error.msg}, at character {error.pos + 1}"
        raise ValueError(msg) from None


def _read_alpaca(values: Values) -> Conversation:
    parts = [part for part in (values["instruction"], values.get("input")) if part and part.strip()]
    question, output = Message("user", "\n\n".join(parts)), values.get("output")
    answer = () if output is None else (Message("assistant", output),)
    return Conversation([question, *answer], before=read_history(values.get("history")))


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
