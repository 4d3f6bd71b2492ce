"""Findings: what a rule finds in a raw recipe, and how it looks there.

A rule reads the raw recipe, which may have any shape, so that its findings stand beside those of the schema.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from nightloom.recipes.documents import Place


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken: the place, what is wrong, what to write."""

    place: Place
    problem: str
    remedy: str


Findings = Iterator[Finding]
Rule = Callable[[dict[str, Any], Path], Findings]


def value_at(value: Any, *place: str | int) -> Any:
    """Return what stands at a place of a raw recipe of any shape, or None if nothing does."""
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def suggest(word: str, known: tuple[str, ...] | list[str], before: str = "") -> str:
    """Return the remedy for a word that is not known: the closest known one, and the others; empty if none is."""
    if not known:
        return ""
    all_known = f"known: {', '.join(f'{before}{name}' for name in known)}"
    close = get_close_matches(word, known, n=1)
    return f"write `{before}{close[0]}`; {all_known}" if close else all_known
