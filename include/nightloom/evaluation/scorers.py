"""Scorers: what makes one field of an answer right. A scorer is a function, known by name."""

import unicodedata
from collections.abc import Callable
from typing import Protocol


class Scorer(Protocol):
    """Says whether a field's value is right."""

    def __call__(self, given: str, expected: str) -> bool:
        """Compare what a model gave with what was expected."""
        ...


SCORERS: dict[str, Scorer] = {}


def scorer(name: str) -> Callable[[Scorer], Scorer]:
    """Register a scorer under a name."""

    def register(function: Scorer) -> Scorer:
        SCORERS[name] = function
        return function

    return register


@scorer("exact_match")
def match_exactly(given: str, expected: str) -> bool:
    """Compare character by character, in one Unicode spelling and without space around."""
    return _canonical(given) == _canonical(expected)


def _canonical(value: str) -> str:
    return unicodedata.normalize("NFC", value).strip()
