"""Chats: parse conversations in common formats into a last question, the turns before it, and the answer.

All values are text: lists and objects of a source have been formatted as JSON. A null value counts as absent, because
formats with columns fill up with nulls what a row does not have.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from json import JSONDecodeError
from typing import Any

from nightloom.artifacts.faults import Fault, FaultRule
from nightloom.artifacts.histories import Turn
from nightloom.core.digests import canonical_json, parse_json
from nightloom.sources.message_keys import (
    FLAGS,
    PLAIN,
    SYSTEM,
    UNUSABLE_COMPANIONS,
    find_unknown_flag,
    find_unusable,
    is_given,
    is_learned,
    is_marked_off,
    list_unread,
)

Values = Mapping[str, str | None]

_FORMATS = {"alpaca": ("instruction", "output"), "prompt_completion": ("prompt", "completion")}
_SIDES = (("prompt", "user"), ("completion", "assistant"))
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
_LISTS = ("messages", "conversations")
_COMPANIONS = (*SYSTEM, *UNUSABLE_COMPANIONS)
_READ_NEXT_TO = {*_LISTS, *_COMPANIONS, "history"}


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


@dataclass(frozen=True, slots=True)
class _Message:
    role: str
    content: str
    is_learned: bool = True

    @property
    def turn(self) -> Turn:
        return {"content": self.content, "role": self.role}


@dataclass(frozen=True, slots=True)
class _Conversation:
    messages: Sequence[_Message]
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
    return (*_COMPANIONS, *alpaca, *(FLAGS if answered else ()))


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


def _read_columns(chat: str, values: Values, nested: Collection[str], *, answered: bool) -> _Conversation:
    before = _read_companions(values)
    if chat == "alpaca":
        sides = [_Conversation(_read_alpaca(values))]
    elif chat == "prompt_completion":
        sides = [
            _read_nested_side(name, parse_json(str(values[name])), role, answered=answered)
            if name in nested
            else _read_side(values.get(name), role, answered=answered)
            for name, role in _SIDES
        ]
    else:
        sides = [_read_messages(_parse(str(values[chat])), answered=answered)]
    messages = [message for side in sides for message in side.messages]
    if answered and is_marked_off(values):
        messages = _mark_off(messages)
    return _Conversation([*before, *messages], frozenset[str]().union(*(side.unread for side in sides)))


def _parse(value: str) -> Any:
    try:
        return parse_json(value)
    except JSONDecodeError as error:
        msg = f"it is not JSON: {error.msg}, at character {error.pos + 1}"
        raise ValueError(msg) from None


def _read_companions(values: Mapping[str, Any]) -> list[_Message]:
    """Return the system message next to a conversation.

    Raises:
        ValueError: Without something next to it the conversation means something else, such as tools or images.
    """
    given = next((name for name in UNUSABLE_COMPANIONS if name in values and is_given(values[name])), None)
    if given:
        msg = f"it has {given!r} next to its messages, which is not read"
        raise ValueError(msg)
    system = _choose(values, SYSTEM, "it")
    if not is_given(system):
        return []
    content = _read_content(system.get("content") if isinstance(system, dict) else system)
    if content is None:
        msg = "its system message is not text"
        raise ValueError(msg)
    return [_Message("system", content)]


def _read_alpaca(values: Values) -> list[_Message]:
    parts = [part for part in (values["instruction"], values.get("input")) if part and part.strip()]
    messages = [*_read_history(values.get("history")), _Message("user", "\n\n".join(parts))]
    output = values.get("output")
    return messages if output is None else [*messages, _Message("assistant", output)]


def _read_history(value: Any) -> list[_Message]:
    """Parse earlier turns: pairs of a question and its answer."""
    if not is_given(value):
        return []
    pairs = parse_json(value) if isinstance(value, str) else value
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == len(_TURNS) for pair in pairs):
        msg = "its history is not a list of pairs of question and answer"
        raise ValueError(msg)
    turns = [(role, content) for pair in pairs for role, content in zip(_TURNS, pair, strict=True)]
    if not all(isinstance(content, str) for _, content in turns):
        msg = "its history has content that is not text"
        raise ValueError(msg)
    return [_Message(role, content) for role, content in turns]


def _read_side(value: str | None, role: str, *, answered: bool) -> _Conversation:
    """Parse the text of a prompt or a completion: of messages, or of one message with this role."""
    if value is None:
        return _Conversation([])
    # A text may begin with a bracket without being a list of messages; it stays a text.
    try:
        given = parse_json(value) if value.lstrip().startswith(("[", "{")) else None
    except ValueError:
        given = None
    messages = _list_messages(given)
    return _read_messages(messages, answered=answered) if messages else _Conversation([_Message(role, value)])


def _read_nested_side(name: str, value: Any, role: str, *, answered: bool) -> _Conversation:
    """Parse a prompt or a completion that is a list or an object: messages, or the content of one with this role."""
    if isinstance(value, dict) and any(value.get(key) is not None for key in _LISTS):
        return _read_messages(value, answered=answered)
    messages = _list_messages(value)
    if messages or not is_given(value):
        return _read_messages(messages, answered=answered)
    content = _read_content(_choose(value, ("content", "value"), name) if isinstance(value, dict) else value)
    if content is None:
        msg = f"its {name} is neither a text nor a list of messages"
        raise ValueError(msg)
    return _Conversation([_Message(role, content)])


def _list_messages(value: Any) -> list[dict[str, Any]]:
    """Return the messages that a value is, alone or in a list; none if it is something else."""
    items = value if isinstance(value, list) else [value]
    are_messages = all(isinstance(item, dict) and not {"role", "from"}.isdisjoint(item) for item in items)
    # Other objects have roles, too; one without a content is no message.
    is_one = isinstance(value, list) or (are_messages and not {"content", "value"}.isdisjoint(value))
    return items if are_messages and is_one else []


def _read_messages(value: Any, *, answered: bool) -> _Conversation:
    """Parse messages (OpenAI) or conversations (ShareGPT), alone or inside an object with that key."""
    next_to = value if isinstance(value, dict) else {}
    items = _choose(next_to, _LISTS, "it") if next_to else value
    if not isinstance(items, list) or not all(isinstance(item, dict) or item is None for item in items):
        msg = "it is not a list of messages"
        raise ValueError(msg)
    given = [item for item in items if item and (item.get("role") or item.get("from") or is_given(item))]
    before = [*_read_companions(next_to), *_read_history(next_to.get("history"))] if next_to else []
    is_marked = answered and not _is_learned(next_to, "it")
    last = len(given)
    read = [
        _read_message(item, f"message {number}", answered=answered, is_last=number == last)
        for number, item in enumerate(given, start=1)
    ]
    messages = [one for one in read if one]
    messages = _mark_off(messages) if is_marked else messages
    unread = list_unread(next_to, _READ_NEXT_TO).union(*(list_unread(item) for item in given if item.keys() - PLAIN))
    return _Conversation([*before, *messages], frozenset(unread))


def _mark_off(messages: Sequence[_Message]) -> list[_Message]:
    return [replace(one, is_learned=False) for one in messages]


def _read_message(item: dict[str, Any], where: str, *, answered: bool, is_last: bool) -> _Message | None:
    """Parse one message; None if it has nothing to say: a system message or a last answer without content."""
    role = _read_role(item, where)
    is_plain = item.keys() <= PLAIN
    if not is_plain:
        _refuse(find_unusable(item), where)
    given = _choose(item, ("content", "value"), where)
    if given is None and (role == "system" or (role == "assistant" and is_last)):
        return None
    content = _read_content(given)
    if content is None:
        msg = f"{where} has content that is not text"
        raise ValueError(msg)
    may_be_learned = role == "assistant" and answered
    if is_plain or not may_be_learned:
        return _Message(role, content)
    _refuse(find_unknown_flag(item), where)
    return _Message(role, content, _is_learned(item, where))


def _read_role(item: Mapping[str, Any], where: str) -> str:
    names = [item[key] for key in ("role", "from") if item.get(key) not in (None, "")]
    roles = [_ROLES.get(name) if isinstance(name, str) else None for name in names]
    if len(roles) > 1 and roles[0] != roles[1]:
        msg = f"{where} has two roles"
        raise ValueError(msg)
    if not roles or roles[0] is None:
        msg = f"{where} has {_describe_role(names[0] if names else None)}; known: {', '.join(sorted(_ROLES))}"
        raise ValueError(msg)
    return roles[0]


def _describe_role(name: Any) -> str:
    if name is None:
        return "no role"
    # Anything else may be the text of a row, which no reason quotes.
    return f"the unknown role {name!r}" if isinstance(name, str) and _PLAIN_ROLE.fullmatch(name) else "an unknown role"


def _is_learned(item: Mapping[str, Any], where: str) -> bool:
    try:
        return is_learned(item)
    except ValueError as error:
        msg = f"{where} has a {error}"
        raise ValueError(msg) from error


def _refuse(fault: str | None, where: str) -> None:
    if fault:
        msg = f"{where} {fault}"
        raise ValueError(msg)


def _choose(item: Mapping[str, Any], names: Sequence[str], where: str) -> Any:
    """Return the value of the key that is given among those that mean the same, or None if none is.

    Raises:
        ValueError: Two of them have different values.
    """
    given = [item[name] for name in names if item.get(name) is not None]
    if len(given) > 1:
        given = [value for value in given if value not in ("", [])] or given[:1]
    if len(given) > 1 and given[0] != given[1]:
        msg = f"{where} has different {' and '.join(names)}"
        raise ValueError(msg)
    return given[0] if given else None


def _read_content(content: Any) -> str | None:
    """Return the text of a content, which may come in parts, or None if it is not only text."""
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        # OpenAI calls a part's text `text`, LLaMA-Factory `value`.
        texts = [_choose(part, ("text", "value"), "it") for part in content if part.get("type") == "text"]
        parts = [text for text in texts if isinstance(text, str)]
        return "".join(parts) if len(parts) == len(content) else None
    return content if isinstance(content, str) else None


def _split(conversation: _Conversation, *, answered: bool) -> Chat:
    """Split a conversation into question, history and answer; user and assistant must alternate."""
    messages = conversation.messages
    first = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
    for index, message in enumerate(messages[first:]):
        if message.role != _TURNS[index % 2]:
            msg = f"message {first + index + 1} is not the {_TURNS[index % 2]}'s, so the roles do not alternate"
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


def _find_answer(messages: Sequence[_Message], first: int, *, answered: bool) -> int | None:
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
