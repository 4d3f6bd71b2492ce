"""Message keys: what the keys next to a message's role and content mean, in the formats that people train on.

A key that changes what a message means is obeyed, or refuses the conversation. Any other key is not read, but counted.
"""

import re
from collections.abc import Mapping, Set
from functools import cache
from typing import Any

PLAIN = frozenset({"role", "from", "content", "value"})
"""Keys of a message's role and content, in the formats of OpenAI and ShareGPT."""

SYSTEM = ("system", "system_prompt", "system_message")
"""Keys next to a conversation, or columns next to its own, that hold its first system message."""

UNUSABLE_COMPANIONS = ("tools", "functions", "images", "image", "videos", "video", "audios", "audio", "documents")
"""Keys next to a conversation, or columns next to its own, without which it means something else."""

COMPANIONS = (*SYSTEM, *UNUSABLE_COMPANIONS)
"""Keys next to a conversation, or columns next to its own, that belong to it in every format."""

_CALL, _TOOL = "calls a tool", "is about the call of a tool"
_THOUGHT, _MEDIA, _PART = "has a thought next to its content", "has more than text", "is only a part of a message"
_UNUSABLE = {
    **dict.fromkeys(("tool_calls", "tool_call", "function_call", "function_calls"), _CALL),
    **dict.fromkeys(("tool_call_id", "tool_responses", "tools", "functions"), _TOOL),
    **dict.fromkeys(("reasoning_content", "reasoning", "reasoning_details", "thinking", "thought"), _THOUGHT),
    **dict.fromkeys(("images", "image", "videos", "video", "audios", "audio", "files", "attachments"), _MEDIA),
    **dict.fromkeys(("prefix", "partial"), _PART),
    "name": "has a name, which the model would not see",
    "refusal": "is a refusal",
    "channel": "has a channel",
}
"""Key of a message → why it cannot be used, if the key is given."""

_FLAGS = {
    **dict.fromkeys(("weight", "loss_weight", "train", "loss", "train_on_turn", "trainable", "learn"), True),
    **dict.fromkeys(("supervised", "is_target", "kto_tag"), True),
    **dict.fromkeys(("masked", "ignore", "ignored", "skip", "exclude", "excluded", "rejected", "deleted"), False),
}
"""Key that says whether an answer is learned → the value that says that it is."""

_PREFERENCE = "label"  # of TRL's unpaired preferences; any value but false may be some other label

FLAGS = (*_FLAGS, _PREFERENCE)
"""Keys of an answer or next to a conversation, and columns next to its own, that say whether it is learned."""

_FLAG_VALUES = {1: True, 0: False, "1": True, "0": False, "true": True, "false": False}
_LIKE_A_FLAG = re.compile(
    r"(^|_)(train(ing|ed|able)?|loss|mask(ed)?|weights?|learn(ed|able)?|ignored?|skip|excluded?)(_|$)"
)
_NOTHING = ("", "[]", "{}", "null")


def is_given(value: Any) -> bool:
    """Whether a value holds anything: not null, not false, not blank, and not only such values in lists and objects."""
    if isinstance(value, dict):
        return any(map(is_given, value.values()))
    if isinstance(value, list):
        return any(map(is_given, value))
    if isinstance(value, str):
        return value.strip() not in _NOTHING
    return value is not None and value is not False


def find_unusable(item: Mapping[str, Any]) -> str | None:
    """Return why a message cannot be used because of its keys, or None if it can."""
    return next((_UNUSABLE[name] for name in item if name in _UNUSABLE and is_given(item[name])), None)


def find_unknown_flag(item: Mapping[str, Any]) -> str | None:
    """Return why an answer cannot be used because an unknown key may say that it is not learned, or None."""
    names = (name for name in item if name not in _FLAGS and item[name] is not None and _is_like_a_flag(name))
    name = next(names, None)
    return name and f"has a key {name[:40]!r}, which may say whether it is learned; write `weight` with 0 or 1 instead"


def is_learned(item: Mapping[str, Any]) -> bool:
    """Whether an answer is to be learned, by the flags in its message or next to its conversation.

    Raises:
        ValueError: A flag has a value of unknown meaning.
    """
    given = ((name, item[name]) for name in _FLAGS.keys() & item if item[name] is not None)
    return item.get(_PREFERENCE) is not False and all(_read_flag(name, value) is _FLAGS[name] for name, value in given)


def is_marked_off(columns: Mapping[str, str | None]) -> bool:
    """Whether a column next to a conversation says plainly that no answer in it is learned."""
    if (columns.get(_PREFERENCE) or "").strip().lower() == "false":
        return True
    given = ((_FLAGS[name], (columns[name] or "").strip().lower()) for name in _FLAGS.keys() & columns)
    return any(_FLAG_VALUES.get(value, learned) is not learned for learned, value in given)


def list_unread(item: Mapping[str, Any], known: Set[str] = PLAIN) -> set[str]:
    """Return the names of given keys that mean nothing to the reader."""
    return {name for name in item.keys() - known - _FLAGS.keys() if is_given(item[name])}


def _read_flag(name: str, value: Any) -> bool:
    known = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(known, str | int | float) or known not in _FLAG_VALUES:
        msg = f"{name!r} that is neither 0 nor 1"
        raise ValueError(msg)
    return _FLAG_VALUES[known]


@cache
def _is_like_a_flag(name: str) -> bool:
    return bool(_LIKE_A_FLAG.search(re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()))
