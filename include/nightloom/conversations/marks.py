"""Marks: which answers of a conversation are learned, by what its messages, its keys and its columns say.

A mark is obeyed, or refuses the conversation. Names count in any spelling: `lossMask`, `loss_mask`, `is_masked`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nightloom.core.digests import parse_json

_MARKS = {
    **dict.fromkeys(
        ("weight", "loss_weight", "train", "training", "loss", "loss_scale", "train_on_turn", "trainable", "learn"),
        True,
    ),
    **dict.fromkeys(("loss_mask", "train_mask", "turn_mask", "assistant_mask", "message_weight", "turn_weight"), True),
    **dict.fromkeys(("supervised", "is_target", "kto_tag", "approved", "review_result"), True),
    **dict.fromkeys(("masked", "ignore", "ignored", "skip", "exclude", "excluded", "rejected", "deleted"), False),
    **dict.fromkeys(("discarded", "was_cancelled"), False),
}
"""Name that says whether an answer is learned → the value that says that it is."""

_PREFERENCE = "label"  # of TRL's unpaired preferences; any value but false may be some other label

_SETTINGS = {
    **dict.fromkeys(("train_on_input", "train_on_prompt"), False),
    **dict.fromkeys(("mask_input", "mask_prompt", "assistant_only_loss", "completion_only_loss"), True),
}
"""Name of a trainer's setting, given for one row → the value that says what is done here: only answers are learned."""

_FLAG_VALUES: dict[str | float, bool] = {
    1: True,
    0: False,
    **dict.fromkeys(("1", "true"), True),
    **dict.fromkeys(("0", "false"), False),
}
_LIKE_A_MARK = re.compile(
    r"(^|_)(train(ing|ed|able)?|loss|mask(ed)?|weights?|learn(ed|able)?|ignored?|skip|excluded?)(_|$)"
)
_LIKE_A_QUESTION = re.compile(r"^(is|do|does|should|to|use|for|no|not|can|may|in|include)_|_(masks?|flags?)$")
_NO_MARKS = {"attention_mask", "special_tokens_mask"}  # of tokens
_JOINTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s.-]+")
_NO_DECIMALS = re.compile(r"\.0*$")
_KNOWN_NAMES = 4096


@dataclass(frozen=True, slots=True)
class RowMarks:
    """What the marks next to a conversation say.

    Attributes:
        learned: Whether each message may be learned, or None if no mark says anything.
        unread: Names that look like marks, but say nothing.
    """

    learned: Sequence[bool] | None = None
    unread: frozenset[str] = frozenset()


@lru_cache(_KNOWN_NAMES)
def simplify(name: str) -> str:
    """Return a name in the spelling `loss_mask`."""
    return _JOINTS.sub("_", name.strip()).lower()


def parse_flag(value: Any) -> bool | None:
    """Return what a value says if it is one of 0, 1, false and true; otherwise None."""
    known = _NO_DECIMALS.sub("", value.strip().lower()) if isinstance(value, str) else value
    return _FLAG_VALUES.get(known) if isinstance(known, str | int | float) else None


@lru_cache(_KNOWN_NAMES)
def find_mark(name: str) -> bool | None:
    """Return the value of a mark that says that its answer is learned, or None if the name is no known mark."""
    return next((_MARKS[one] for one in _spellings(name) if one in _MARKS), None)


@lru_cache(_KNOWN_NAMES)
def may_be_mark(name: str) -> bool:
    """Whether a name, in a message or next to a conversation, may say what is learned."""
    plain = _spellings(name)
    return (
        name == _PREFERENCE or find_mark(name) is not None or not _SETTINGS.keys().isdisjoint(plain) or _is_like(name)
    )


@lru_cache(_KNOWN_NAMES)
def is_unknown_mark(name: str) -> bool:
    """Whether a name looks like a mark without being a known one."""
    return find_mark(name) is None and _is_like(name)


def find_unknown_mark(item: Mapping[str, Any]) -> str | None:
    """Return why an answer cannot be used because an unknown key may say that it is not learned, or None."""
    name = next((name for name in item if is_unknown_mark(name) and item[name] is not None), None)
    return name and _refuse_unknown(name)


def is_learned(item: Mapping[str, Any]) -> bool:
    """Whether an answer is to be learned, by the marks in its message.

    Raises:
        ValueError: A mark has a value of unknown meaning.
    """
    if item.get(_PREFERENCE) is False:
        return False
    learned = True
    for name, value in item.items():
        wanted = find_mark(name)
        if wanted is not None and value is not None:
            learned = learned and _read_flag(name, value) is wanted
    return learned


def find_inner_marks(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known marks in an object of metadata, of a message or next to a conversation."""
    return {name: one for name, one in value.items() if one is not None and find_mark(name) is not None}


def is_marked_off(inner: Mapping[str, Any]) -> bool:
    """Whether a known mark in an object of metadata says plainly that its answer is not learned."""
    given = ((find_mark(name), parse_flag(value)) for name, value in inner.items())
    return any(None not in (wanted, flag) and flag is not wanted for wanted, flag in given)


def read_row_marks(given: Mapping[str, Any], messages: int, *, are_columns: bool) -> RowMarks:
    """Read the marks next to a conversation: one value for all of it, or a list with one for each message.

    Args:
        given: Keys next to the messages, or columns next to their own.
        messages: Number of messages, as received.
        are_columns: Whether they are columns. These may have such a name by chance: other values than 0, 1, true and
            false say nothing.

    Raises:
        ValueError: A mark cannot be obeyed.
    """
    learned, unread = [True] * messages, set[str]()
    says = False
    for name, value in given.items():
        if value is None or not may_be_mark(name):
            continue
        marks = _read_mark(name, _parse_list(value), messages, are_columns=are_columns)
        if marks is None:
            unread.add(name)
        else:
            says, learned = True, [one and marked for one, marked in zip(learned, marks, strict=True)]
    return RowMarks(learned if says else None, frozenset(unread))


def _read_mark(name: str, value: Any, messages: int, *, are_columns: bool) -> Sequence[bool] | None:
    """Return what one mark says about each message, or None if nothing."""
    flags = [None if one is None else parse_flag(one) for one in value] if isinstance(value, list) else []
    are_flags = bool(flags) and all(one is None or flag is not None for one, flag in zip(value, flags, strict=True))
    if name == _PREFERENCE:
        return {"false": [False] * messages, "true": [True] * messages}.get(str(value).strip().lower())
    setting = next((_SETTINGS[one] for one in _spellings(name) if one in _SETTINGS), None)
    if setting is not None:
        return _read_setting(name, parse_flag(value), setting, messages)
    wanted = find_mark(name)
    if wanted is None:
        flag = None if isinstance(value, list) else parse_flag(value)
        is_plain = isinstance(value, bool) or str(value).lower() in ("true", "false")
        if are_flags or (flag is not None and (is_plain or _LIKE_A_QUESTION.search(simplify(name)))):
            raise ValueError(_refuse_unknown(name))
        return None
    if isinstance(value, list) and value:
        if not are_flags and are_columns and len(value) != messages:
            return None
        return _read_list(name, flags if are_flags else [], wanted, messages)
    if are_columns and parse_flag(value) is None:
        return None
    return None if value == [] else [_read_flag(name, value) is wanted] * messages


def _read_setting(name: str, value: bool | None, wanted: bool, messages: int) -> list[bool] | None:
    if value is not None and value is not wanted:
        msg = f"has a {name!r} that asks for its questions to be learned; only answers are"
        raise ValueError(msg)
    return None if value is None else [True] * messages


def _read_list(name: str, flags: Sequence[bool | None], wanted: bool, messages: int) -> list[bool]:
    if not flags:
        msg = f"has a {name!r} that is neither 0 nor 1 for each message"
        raise ValueError(msg)
    if len(flags) != messages:
        msg = f"has a {name!r} with {len(flags)} values for {messages} messages"
        raise ValueError(msg)
    return [flag is None or flag is wanted for flag in flags]


def _parse_list(value: Any) -> Any:
    """Return the list that a text holds, or the value itself."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


def _read_flag(name: str, value: Any) -> bool:
    flag = parse_flag(value)
    if flag is None:
        msg = f"has a {name!r} that is neither 0 nor 1"
        raise ValueError(msg)
    return flag


def _refuse_unknown(name: str) -> str:
    return f"has a key {name[:40]!r}, which may say whether it is learned; write `weight` with 0 or 1 instead"


@lru_cache(_KNOWN_NAMES)
def _spellings(name: str) -> tuple[str, ...]:
    """Return the names that a name may mean: without capitals, without `is_`, and in the singular."""
    plain = simplify(name)
    bare = plain.removeprefix("is_")
    return (plain, bare, plain.removesuffix("s"), bare.removesuffix("s"))


def _is_like(name: str) -> bool:
    plain = simplify(name)
    return bool(_LIKE_A_MARK.search(plain)) and plain not in _NO_MARKS
