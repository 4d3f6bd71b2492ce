"""Message keys: what the keys next to a message's role and content mean, in the formats that people train on.

A key that changes what a message means is obeyed, or refuses the conversation. Any other key is not read, but counted.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from functools import lru_cache, partial
from typing import Any

from nightloom.conversations.marks import find_mark, find_unknown_mark, is_marked_off, may_be_mark, parse_flag, simplify

PLAIN = frozenset({"role", "from", "content", "value"})
"""Keys of a message's role and content, in the formats of OpenAI and ShareGPT."""

SYSTEM = ("system", "system_prompt", "system_message")
"""Keys next to a conversation, or columns next to its own, that hold its first system message."""

UNUSABLE_COMPANIONS = ("tools", "functions", "images", "image", "videos", "video", "audios", "audio", "documents")
"""Keys next to a conversation, or columns next to its own, without which it means something else."""

COMPANIONS = (*SYSTEM, *UNUSABLE_COMPANIONS)
"""Keys next to a conversation, or columns next to its own, that belong to it in every format."""

_SYSTEM_SPELLINGS = {*SYSTEM, "system_instruction", "system_instructions"}
_UNUSABLE_SPELLINGS = {*UNUSABLE_COMPANIONS, "available_tools", "tool_definitions", "function_definitions"}
_PART = frozenset({"type", "text", "value"})
_NOTHING = ("", "[]", "{}", "null", "NULL", "None", "nan", "NaN")  # as programs write that there is none


def is_given(value: Any) -> bool:
    """Whether a value holds anything: not null, not false, not blank, and not only such values in lists and objects."""
    if isinstance(value, dict):
        return any(map(is_given, value.values()))
    if isinstance(value, list):
        return any(map(is_given, value))
    if isinstance(value, str):
        return value.strip() not in _NOTHING
    return value is not None and value is not False


def _is_one_of(words: Set[str], value: Any) -> bool:
    return isinstance(value, str) and simplify(value) in words


def _is_other_than(words: Set[str], value: Any) -> bool:
    return is_given(value) and not _is_one_of(words, value)


def _is_on(value: Any) -> bool:
    return is_given(value) and parse_flag(value) is not False


def _is_off(value: Any) -> bool:
    return parse_flag(value) is False


_Rule = tuple[Callable[[Any], bool], str]

_CUT_SHORT = {"length", "max_tokens", "max_output_tokens", "content_filter", "safety", "recitation", "refusal", "error"}
_CALLS = {"tool_calls", "tool_use", "function_call", "pause_turn"}
_UNFINISHED = {
    *("incomplete", "in_progress", "finished_partial_completion", "failed", "cancelled", "canceled", "aborted"),
    *("interrupted", "truncated"),
}
_WITHDRAWN = {"draft", "pending", "deleted", "removed", "rejected", "discarded", "hidden", "error"}
_NO_TEXT = {"code", "thoughts", "reasoning_recap", "execution_output", "multimodal_text", "system_error"}
_CALL, _TOOL, _HIDDEN = "calls a tool", "is about the call of a tool", "is hidden"
_THOUGHT, _MEDIA, _UNDONE = "has a thought next to its content", "has more than text", "is only a part of a message"
_ENDINGS = ("finish_reason", "stop_reason")
_ENDED = (partial(_is_one_of, _CUT_SHORT | _CALLS), "ended before it was complete")

_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(("tool_calls", "tool_call", "function_call", "function_calls", "tool_use"), (is_given, _CALL)),
    **dict.fromkeys(("tool_call_id", "tool_responses", "tool_results", "tools", "functions"), (is_given, _TOOL)),
    **dict.fromkeys(("reasoning_content", "reasoning", "reasoning_details", "reasoning_text"), (is_given, _THOUGHT)),
    **dict.fromkeys(("thinking", "thinking_blocks", "thought", "thoughts"), (is_given, _THOUGHT)),
    **dict.fromkeys(
        ("images", "image", "videos", "video", "audios", "audio", "files", "attachments"), (is_given, _MEDIA)
    ),
    **dict.fromkeys(("prefix", "partial", "truncated", "incomplete", "interrupted", "draft"), (_is_on, _UNDONE)),
    **dict.fromkeys(("end_turn", "complete", "completed", "finished"), (_is_off, _UNDONE)),
    **dict.fromkeys(("hidden", "is_visually_hidden_from_conversation", "internal", "private"), (_is_on, _HIDDEN)),
    **dict.fromkeys(("visible", "public"), (_is_off, _HIDDEN)),
    **dict.fromkeys(("error", "errors"), (_is_on, "is an error")),
    **dict.fromkeys(("deleted_at", "removed", "retracted", "unsent"), (_is_on, "was taken back")),
    **dict.fromkeys(_ENDINGS, _ENDED),
    "status": (partial(_is_one_of, _UNFINISHED | _WITHDRAWN), "has a status that says that it is no complete message"),
    "channel": (partial(_is_other_than, {"final"}), "has a channel"),
    "phase": (partial(_is_one_of, {"analysis", "commentary"}), "is not in the final phase"),
    "recipient": (partial(_is_other_than, {"all"}), "has a recipient, as the call of a tool has"),
    "content_type": (partial(_is_one_of, _NO_TEXT), "has content that is not text"),
    "name": (is_given, "has a name, which the model would not see"),
    "refusal": (is_given, "is a refusal"),
}
"""Key of a message → whether its value refuses the message, and why."""

_TAKEN_BACK: _Rule = (_is_on, "was taken back")
_NOT_OF_ANSWERS = {"deleted": _TAKEN_BACK, "rejected": _TAKEN_BACK}
"""Marks of answers that refuse any other message."""

_ROW_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(_ENDINGS, _ENDED),
    "status": (partial(_is_one_of, {"discarded"}), "was discarded"),
}
"""Keys and columns next to a conversation that refuse its answer."""

# In metadata they may be about anything.
_AMBIGUOUS = {
    *("name", "status", "channel", "phase", "recipient", "content_type", "private", "internal", "public", "visible"),
    *("files", "image", "images", "attachments", "error", "errors", "complete", "completed", "finished", "draft"),
    *("functions", "tools", "reasoning", "thought", "removed"),
}

_KNOWN_KEYS = 4096


@lru_cache(_KNOWN_KEYS)
def may_change_row(name: str) -> bool:
    """Whether a key or a column next to a conversation may change what it means, or what of it is learned."""
    return may_be_mark(name) or is_companion(name) or simplify(name) in _ROW_RULES


@lru_cache(_KNOWN_KEYS)
def is_companion(name: str) -> bool:
    """Whether a key or a column next to a conversation belongs to it, in any spelling."""
    return is_system(name) or is_unusable_companion(name)


def is_system(name: str) -> bool:
    """Whether a key or a column next to a conversation holds its first system message."""
    return simplify(name) in _SYSTEM_SPELLINGS


def is_unusable_companion(name: str) -> bool:
    """Whether a conversation means something else without a key or a column next to it."""
    return simplify(name) in _UNUSABLE_SPELLINGS


def find_refusal(next_to: Mapping[str, Any]) -> str | None:
    """Return why a key or a column next to a conversation refuses its answer, or None if none does."""
    given = ((next_to[name], _ROW_RULES.get(simplify(name))) for name in next_to)
    return next((rule[1] for value, rule in given if rule and rule[0](value)), None)


def find_unusable(item: Mapping[str, Any], role: str = "assistant") -> str | None:
    """Return why a message cannot be used because of its keys, or None if it can."""
    for name, (refuses, why) in _list_rules(tuple(item), is_answer=role == "assistant"):
        if refuses(item[name]):
            return why
    return None


def find_unusable_part(parts: Sequence[Mapping[str, Any]], role: str) -> str | None:
    """Return why a message cannot be used because of the keys of the parts of its content, or None if it can."""
    for part in parts:
        if part.keys() <= _PART:
            continue
        why = find_unusable(part, role)
        if not why and role == "assistant" and is_marked_off(part):
            why = "has a part that is marked as not to be learned"
        if not why and role == "assistant":
            why = find_unknown_mark(part)
        if why:
            return why
    return None


def list_inner(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what objects of metadata next to a message or a conversation say about it."""
    unknown = _list_unknown(tuple(item))
    if not unknown:
        return []
    inner = (item[name] for name in unknown if isinstance(item[name], dict))
    return [{name: one for name, one in each.items() if simplify(name) not in _AMBIGUOUS} for each in inner]


def list_unread_of_parts(parts: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the names of given keys of parts of a content that mean nothing to the reader."""
    return set[str]().union(*(list_unread(part, _PART) for part in parts if not part.keys() <= _PART))


def list_unread(item: Mapping[str, Any], known: Set[str] = PLAIN) -> set[str]:
    """Return the names of given keys that mean nothing to the reader."""
    return {name for name in _list_unknown(tuple(item)) if name not in known and is_given(item[name])}


@lru_cache(_KNOWN_KEYS)
def _list_rules(names: tuple[str, ...], *, is_answer: bool) -> Sequence[tuple[str, _Rule]]:
    """Return the rules for the keys of a message. Most messages of a source have the same keys."""
    rules = _RULES if is_answer else {**_RULES, **_NOT_OF_ANSWERS}
    plain = ((name, simplify(name)) for name in names if name not in PLAIN)
    bare = ((name, one if one in rules else one.removeprefix("is_")) for name, one in plain)
    return [(name, rules[one]) for name, one in bare if one in rules]


@lru_cache(_KNOWN_KEYS)
def _list_unknown(names: tuple[str, ...]) -> Sequence[str]:
    ruled = {name for name, _ in _list_rules(names, is_answer=True)}
    return [name for name in names if name not in PLAIN and name not in ruled and find_mark(name) is None]
