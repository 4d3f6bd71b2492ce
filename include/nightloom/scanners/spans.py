"""Spans: where in a text a scanner found something, and of what kind."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl


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
    """An expression, tried only where a hint of every group stands in the text in lower case: few texts have them.

    The group that is found least often comes first.
    """

    kind: str
    hints: tuple[tuple[str, ...], ...]
    expression: re.Pattern[str]
    sketch: str = ""
    """A wider expression, as Rust reads it, for texts of which many have the hints; empty: few have."""


def find_patterns(text: str, patterns: Iterable[Pattern]) -> list[Span]:
    """Find what any of the patterns matches."""
    lowered = text.lower()
    return [
        Span(match.start(), match.end(), pattern.kind)
        for pattern in patterns
        if all(any(hint in lowered for hint in group) for group in pattern.hints)
        for match in pattern.expression.finditer(text)
    ]


def may_match(texts: pl.Series, patterns: Collection[Pattern]) -> pl.Series:
    """Tell in which texts a pattern is worth trying: the same hints, looked for in all texts at once."""
    lowered = texts.str.to_lowercase()
    # In one pass, by one expression: Polars' own search for so many words takes three times as long.
    first = [pattern.sketch or join_words(pattern.hints[0]) for pattern in patterns]
    promising = lowered.str.contains("|".join(f"(?:{one})" for one in first))
    places = promising.arg_true()
    text = pl.col("text")
    worth_trying = [
        pl.all_horizontal(
            *(text.str.contains_any(list(group)) for group in pattern.hints), text.str.contains(pattern.sketch)
        )
        for pattern in patterns
    ]
    left = lowered.gather(places).to_frame("text").select(pl.any_horizontal(worth_trying))
    return promising.scatter(places, left.to_series())


def join_words(words: Iterable[str]) -> str:
    """Give an expression, for Python and for Rust, that finds any of these words."""
    return "|".join(map(re.escape, words))


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


def blank_out(text: str, spans: Iterable[Span]) -> str:
    """Put commas in the place of the spans, so that all else keeps its place."""
    for span in spans:
        text = f"{text[: span.start]}{',' * (span.end - span.start)}{text[span.end :]}"
    return text


def name_kinds(spans: Sequence[Span]) -> str:
    """Name the kinds that were found, for a reason that shows none of the text."""
    return ",".join(sorted({span.kind for span in spans}))
