"""Scanner: what finds something in a text that a model should not learn or see, and how the matches are taken out."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Match:
    """A stretch of a text, by character offsets.

    Attributes:
        start: First character.
        end: Character after the last.
        kind: Letters, digits and underscores; it stands in the ledger, so it never quotes the text.
    """

    start: int
    end: int
    kind: str


def may_hold_anywhere(texts: pl.Series) -> pl.Series:
    """Return true for each text: the search of a scanner that has no cheaper one."""
    return pl.repeat(value=True, n=len(texts), dtype=pl.Boolean, eager=True)


@dataclass(frozen=True, slots=True)
class Scanner:
    """Finds one sort of thing in normalised texts. It never fails, whatever the text.

    Attributes:
        name: What a recipe, the ledger and a prediction's flags call it.
        version: Rises whenever it may find something else than before: it identifies what follows from the matches.
        cost: About how many microseconds `find` takes for a text of 500 characters in which there is something. Cheap
            scanners look first, and once one refuses a text, those that would only refuse it too are not asked.
        find: Return the matches in a text, in any order.
        may_hold: Return which of many texts are worth a `find`: all in which it finds something, and few others.
    """

    name: str
    version: int
    cost: float
    find: Callable[[str], Sequence[Match]]
    may_hold: Callable[[pl.Series], pl.Series] = may_hold_anywhere


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


def find_patterns(text: str, patterns: Iterable[Pattern]) -> list[Match]:
    """Find what any of the patterns matches."""
    lowered = text.lower()
    return [
        Match(found.start(), found.end(), pattern.kind)
        for pattern in patterns
        if all(any(hint in lowered for hint in group) for group in pattern.hints)
        for found in pattern.expression.finditer(text)
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
    """Return an expression, for Python and for Rust, that finds any of these words."""
    return "|".join(map(re.escape, words))


def drop_overlapping(matches: Iterable[Match]) -> list[Match]:
    """Return the matches in the order of the text; of two that overlap, the one that came first stays."""
    kept: list[Match] = []
    for match in matches:
        if all(match.end <= other.start or match.start >= other.end for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda match: match.start)


def redact(text: str, matches: Sequence[Match]) -> str:
    """Put `<KIND>` in the place of each match; the matches do not overlap."""
    for match in sorted(matches, key=lambda match: match.start, reverse=True):
        text = f"{text[: match.start]}<{match.kind}>{text[match.end :]}"
    return text


def blank_out(text: str, matches: Iterable[Match]) -> str:
    """Put commas in the place of the matches, so that all else keeps its place."""
    for match in matches:
        text = f"{text[: match.start]}{',' * (match.end - match.start)}{text[match.end :]}"
    return text


def name_kinds(matches: Sequence[Match]) -> str:
    """Name the kinds that were found, for a reason that shows none of the text."""
    return ",".join(sorted({match.kind for match in matches}))
