"""Diff: what changed between two blueprints, as a change log reads."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nightloom.artifacts.blueprints import Blueprint
from nightloom.core.digests import short

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs.

    Attributes:
        field: Its path, such as `trials.0.settings.learning_rate`.
        sentence: What became of it.
    """

    field: str
    sentence: str


def diff_blueprints(before: Blueprint, after: Blueprint) -> list[Difference]:
    """Give every field of the identities that differs, sorted by path; none: they are one blueprint."""
    old, new = (dict(_flatten("", blueprint.identity.model_dump(mode="json"))) for blueprint in (before, after))
    return [
        Difference(field, _describe(field, old.get(field, _ABSENT), new.get(field, _ABSENT)))
        for field in sorted(old.keys() | new.keys())
        if old.get(field, _ABSENT) != new.get(field, _ABSENT)
    ]


def _describe(field: str, old: Any, new: Any) -> str:
    if old is _ABSENT:
        return f"{field} added: {_show(new)}"
    if new is _ABSENT:
        return f"{field} removed: it was {_show(old)}"
    return f"{field} changed from {_show(old)} to {_show(new)}"


def _show(value: Any) -> str:
    return short(value) if isinstance(value, str) and _DIGEST.fullmatch(value) else str(value)


def _flatten(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give each leaf under its dotted path; eval sets go by their name, so that a new first one changes no other."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        items = [(item.get("name", str(number)), item) for number, item in enumerate(value)]
    else:
        yield path, value
        return
    for key, item in items:
        yield from _flatten(f"{path}.{key}" if path else key, item)
