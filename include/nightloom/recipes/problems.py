"""Problems: what a rule reports about a raw recipe, and how a rule reads one.

Rules read the raw recipe, which may have any shape, so that their problems are reported together with the schema's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from nightloom.recipes.documents import FieldPath


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule: the path of the field, what is wrong, what to write."""

    path: FieldPath
    message: str
    remedy: str


Problems = Iterator[Problem]
Rule = Callable[[dict[str, Any], Path], Problems]


def value_at(value: Any, *path: str | int) -> Any:
    """Return the value at a path of a raw recipe of any shape, or None if there is none."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def suggest(word: str, known: tuple[str, ...] | list[str], before: str = "") -> str:
    """Return the remedy for an unknown word: the closest known word and all others, or "" if no word is known."""
    if not known:
        return ""
    all_known = f"known: {', '.join(f'{before}{name}' for name in known)}"
    close = get_close_matches(word, known, n=1)
    return f"write `{before}{close[0]}`; {all_known}" if close else all_known
