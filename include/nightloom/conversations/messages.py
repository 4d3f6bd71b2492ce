"""Messages: parse the messages of a conversation in the formats of OpenAI, ShareGPT and TRL.

A reason names the place of its message, such as `message 2`. It never quotes the text of a row.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nightloom.artifacts.histories import Turn
from nightloom.conversations.marks import (
    RowMarks,
    find_inner_marks,
    find_unknown_mark,
    is_learned,
    is_marked_off,
    read_row_marks,
)
from nightloom.conversations.message_keys import (
    COMPANIONS,
    PLAIN,
    find_refusal,
    find_unusable,
    find_unusable_part,
    is_companion,
    is_given,
    is_system,
    is_unusable_companion,
    list_inner,
    list_unread,
    list_unread_of_parts,
)
from nightloom.core.digests import parse_json

TURNS = ("user", "assistant")
"""The roles that alternate after the system messages, in their order."""

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
_PLAIN_KEYS = 2  # one for the role, one for the text
_PLAIN_ROLE = re.compile("[A-Za-z_-]{1,20}")
_TEXT_TYPES = (None, "text", "input_text", "output_text")
_LISTS = ("messages", "conversations")
_READ_NEXT_TO = {*_LISTS, *COMPANIONS, "history"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: `system`, `user` or `assistant`.
        content: Its text.
        is_learned: Whether a model learns the answer; it says nothing about other messages.
    """

    role: str
    content: str
    is_learned: bool = True

    @property
    def turn(self) -> Turn:
        """Return the message as a turn of a record's history."""
        return {"content": self.content, "role": self.role}


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in their order, and what was left out.

    Attributes:
        received: System messages, questions and answers, as received; None for one that says nothing.
        unread: Names of their keys, and of keys next to them, that were not read.
        before: Messages that come first, from what is next to the conversation.
    """

    received: Sequence[Message | None]
    unread: frozenset[str] = frozenset()
    before: Sequence[Message] = ()

    @property
    def messages(self) -> list[Message]:
        """Return all messages that say something."""
        return [*self.before, *(one for one in self.received if one)]

    def mark(self, next_to: Mapping[str, Any], *, are_columns: bool) -> "Conversation":
        """Return the conversation with the marks next to it.

        Args:
            next_to: Keys or columns; some may be marks.
            are_columns: Whether they are columns.

        Raises:
            ValueError: A mark cannot be obeyed.
        """
        _refuse(find_refusal(next_to), "it")
        try:
            marks = read_row_marks(next_to, len(self.received), are_columns=are_columns)
        except ValueError as error:
            msg = f"it {error}"
            raise ValueError(msg) from error
        return self._mark_by(marks)

    def _mark_by(self, marks: RowMarks) -> "Conversation":
        unread = self.unread | marks.unread
        if marks.learned is None:
            return replace(self, unread=unread)
        received = [
            one if learned or one is None else replace(one, is_learned=False)
            for one, learned in zip(self.received, marks.learned, strict=True)
        ]
        earlier = any(marks.learned)
        before = [one if earlier else replace(one, is_learned=False) for one in self.before]
        return Conversation(received, unread, before)


def read_companions(values: Mapping[str, Any]) -> list[Message]:
    """Return the system message next to a conversation.

    Raises:
        ValueError: Without something next to it the conversation means something else, such as tools or images.
    """
    given = next((name for name in values if is_unusable_companion(name) and is_given(values[name])), None)
    if given:
        msg = f"it has {given!r} next to its messages, which is not read"
        raise ValueError(msg)
    system = _choose(values, [name for name in values if is_system(name)], "it")
    if not is_given(system):
        return []
    content = _read_content(_choose(system, ("content", "parts", "text"), "it") if isinstance(system, dict) else system)
    if content is None:
        msg = "its system message is not text"
        raise ValueError(msg)
    return [Message("system", content)]


def read_history(value: Any) -> list[Message]:
    """Parse earlier turns: pairs of a question and its answer."""
    if not is_given(value):
        return []
    pairs = parse_json(value) if isinstance(value, str) else value
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == len(TURNS) for pair in pairs):
        msg = "its history is not a list of pairs of question and answer"
        raise ValueError(msg)
    turns = [(role, content) for pair in pairs for role, content in zip(TURNS, pair, strict=True)]
    if not all(isinstance(content, str) for _, content in turns):
        msg = "its history has content that is not text"
        raise ValueError(msg)
    return [Message(role, content) for role, content in turns]


def read_side(value: str | None, role: str, *, answered: bool) -> Conversation:
    """Parse the text of a prompt or a completion: of messages, or of one message with this role."""
    if value is None:
        return Conversation([])
    # A text may begin with a bracket without being a list of messages; it stays a text.
    try:
        given = parse_json(value) if value.lstrip().startswith(("[", "{")) else None
    except ValueError:
        given = None
    messages = _list_messages(given)
    return read_messages(messages, answered=answered) if messages else Conversation([Message(role, value)])


def read_nested_side(name: str, value: Any, role: str, *, answered: bool) -> Conversation:
    """Parse a prompt or a completion that is a list or an object: messages, or the content of one with this role."""
    if isinstance(value, dict) and any(value.get(key) is not None for key in _LISTS):
        return read_messages(value, answered=answered)
    messages = _list_messages(value)
    if messages or not is_given(value):
        return read_messages(messages, answered=answered)
    content = _read_content(_choose(value, ("content", "value"), name) if isinstance(value, dict) else value)
    if content is None:
        msg = f"its {name} is neither a text nor a list of messages"
        raise ValueError(msg)
    item = {**value, "role": role, "from": None} if isinstance(value, dict) else {"role": role, "content": value}
    return read_messages([item], answered=answered)


def read_messages(value: Any, *, answered: bool) -> Conversation:
    """Parse messages (OpenAI) or conversations (ShareGPT), alone or inside an object with that key."""
    next_to = value if isinstance(value, dict) else {}
    items = _choose(next_to, _LISTS, "it") if next_to else value
    if not isinstance(items, list) or not all(isinstance(item, dict) or item is None for item in items):
        msg = "it is not a list of messages"
        raise ValueError(msg)
    given = [item for item in items if _is_message(item)]
    before = [*read_companions(next_to), *read_history(next_to.get("history"))] if next_to else []
    last = len(given)
    plain = [*map(_read_plain, given)]
    read = [
        one or _read_message(item, f"message {number}", answered=answered, is_last=number == last)
        for number, (item, one) in enumerate(zip(given, plain, strict=True), start=1)
    ]
    if last < len(items):
        messages = iter(read)
        read = [next(messages) if _is_message(item) else None for item in items]
    others = [item for item, one in zip(given, plain, strict=True) if not one]
    unread = _list_unread(next_to, others) if next_to or others else frozenset[str]()
    conversation = Conversation(read, unread, before)
    if not next_to or not answered:
        return conversation
    for inner in map(find_inner_marks, list_inner(next_to)):
        conversation = conversation.mark(inner, are_columns=True)
    return conversation.mark(next_to, are_columns=False)


def _list_unread(next_to: Mapping[str, Any], messages: Sequence[dict[str, Any]]) -> frozenset[str]:
    names = {name for name in list_unread(next_to, _READ_NEXT_TO) if not is_companion(name)}
    names = names.union(*(list_unread(item) for item in messages if item.keys() - PLAIN))
    parts = (item["content"] for item in messages if isinstance(item.get("content"), list))
    return frozenset(names.union(*(list_unread_of_parts(each) for each in parts if _are_objects(each))))


def _is_message(item: dict[str, Any] | None) -> bool:
    """Whether an item is more than the nulls of a union."""
    return bool(item and (item.get("role") or item.get("from") or is_given(item)))


def _list_messages(value: Any) -> list[dict[str, Any]]:
    """Return the messages that a value is, alone or in a list; none if it is something else."""
    items = value if isinstance(value, list) else [value]
    are_messages = all(isinstance(item, dict) and not {"role", "from"}.isdisjoint(item) for item in items)
    # Other objects have roles, too; one without a content is no message.
    is_one = isinstance(value, list) or (are_messages and not {"content", "value"}.isdisjoint(value))
    return items if are_messages and is_one else []


def _read_plain(item: dict[str, Any]) -> Message | None:
    """Return the message of an item that holds a known role and a text alone, as most do; None for any other."""
    role, content = item.get("role") or item.get("from"), item.get("content") or item.get("value")
    if len(item) == _PLAIN_KEYS and content and isinstance(content, str) and isinstance(role, str) and role in _ROLES:
        return Message(_ROLES[role], content)
    return None


def _read_message(item: dict[str, Any], where: str, *, answered: bool, is_last: bool) -> Message | None:
    """Parse one message; None if it has nothing to say: a system message or a last answer without content."""
    role = _read_role(item, where)
    is_plain = item.keys() <= PLAIN
    inner = [] if is_plain else list_inner(item)
    if not is_plain:
        for keys in (item, *inner):
            _refuse(find_unusable(keys, role), where)
    given = _choose(item, ("content", "value"), where)
    if given is None and (role == "system" or (role == "assistant" and is_last)):
        return None
    content = _read_content(given)
    if content is None:
        msg = f"{where} has content that is not text"
        raise ValueError(msg)
    if isinstance(given, list):
        _refuse(find_unusable_part(given, role), where)
    may_be_learned = role == "assistant" and answered
    if is_plain or not may_be_learned:
        return Message(role, content)
    _refuse(find_unknown_mark(item), where)
    return Message(role, content, _is_learned(item, where) and not any(map(is_marked_off, inner)))


def _read_role(item: Mapping[str, Any], where: str) -> str:
    names = [item[key] for key in ("role", "from") if item.get(key) not in (None, "")]
    roles = [_ROLES.get(name) or _ROLES.get(name.strip().lower()) if isinstance(name, str) else None for name in names]
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
        msg = f"{where} {error}"
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


def _are_objects(content: Any) -> bool:
    return isinstance(content, list) and bool(content) and all(isinstance(part, dict) for part in content)


def _read_content(content: Any) -> str | None:
    """Return the text of a content, which may come in parts, or None if it is not only text."""
    if _are_objects(content):
        # OpenAI calls a part's text `text`, LLaMA-Factory `value`; in Bedrock and Gemini a part has no type.
        texts = [_choose(part, ("text", "value"), "it") for part in content if part.get("type") in _TEXT_TYPES]
        parts = [text for text in texts if isinstance(text, str)]
        return "".join(parts) if len(parts) == len(content) else None
    return content if isinstance(content, str) else None
