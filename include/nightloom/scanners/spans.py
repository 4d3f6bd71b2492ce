"""Spans: where in a text a scanner found something, and of what kind."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text, by character offsets."""

    start: int
    end: int
    kind: str


class Scanner(Protocol):
    """Anything that finds spans in a text. It never fails, whatever the text."""

    def __call__(self, text: str) -> Sequence[Span]:
        """Give what was found, in any order."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression, tried only where one of its hints stands in the text in lower case: few texts hold any."""

    kind: str
    hints: tuple[str, ...]
    expression: re.Pattern[str]


def find_patterns(text: str, patterns: Iterable[Pattern]) -> list[Span]:
    """Find what any of the patterns matches."""
    lowered = text.lower()
    return [
        Span(match.start(), match.end(), pattern.kind)
        for pattern in patterns
        if any(hint in lowered for hint in pattern.hints)
        for match in pattern.expression.finditer(text)
    ]


def drop_overlapping(spans: Iterable[Span]) -> list[Span]:
    """Give the spans in the order of the text; of two that overlap, the one that came first stays."""
    kept: list[Span] = []
    for span in spans:
        if all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def redact(text: str, spans: Sequence[Span]) -> str:
    """Put `<KIND>` in the place of each span; the spans do not overlap."""
    for span in sorted(spans, key=lambda span: span.start, reverse=True):
        text = f"{text[: span.start]}<{span.kind}>{text[span.end :]}"
    return text


def name_kinds(spans: Sequence[Span]) -> str:
    """Name the kinds that were found, for a reason that shows none of the text."""
    return ",".join(sorted({span.kind for span in spans}))
