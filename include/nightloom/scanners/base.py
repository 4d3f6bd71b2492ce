"""Scanner: find matches in texts that a model must not learn or see, and redact them."""

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
        kind: Letters, digits and underscores. It is written into the ledger, so it never quotes the text.
    """

    start: int
    end: int
    kind: str


def may_hold_anywhere(texts: pl.Series) -> pl.Series:
    """Return true for each text, for scanners without a cheap pre-check."""
    return pl.repeat(value=True, n=len(texts), dtype=pl.Boolean, eager=True)


@dataclass(frozen=True, slots=True)
class Scanner:
    """Finds matches of one sort in normalised texts. It never fails, whatever the text.

    Attributes:
        name: Its name in recipes, the ledger and the flags of predictions.
        version: Increased whenever the matches may change; it is part of the id of results.
        cost: About how many microseconds `find` takes for a text of 500 characters with matches. Cheap scanners run
            first. Once one refuses a text, the others that could only refuse it are skipped.
        find: Return the matches in a text, in any order.
        may_hold: Return whether each of many texts needs `find`: true for all texts with matches, and few others.
    """

    name: str
    version: int
    cost: float
    find: Callable[[str], Sequence[Match]]
    may_hold: Callable[[pl.Series], pl.Series] = may_hold_anywhere


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, tried only if the lower-case text contains a hint of every group, which few texts do.

    The rarest group comes first. In the expression, a letter of another script is no part of a word that it touches: it
    is compiled with `re.ASCII`, or has edges of its own. If it has groups, the match is the last one that was found.
    """

    kind: str
    hints: tuple[tuple[str, ...], ...]
    expression: re.Pattern[str]
    prefilter: str = ""
    """A wider expression in Rust's syntax, needed if many texts contain the hints; else empty."""


def find_patterns(text: str, patterns: Iterable[Pattern]) -> list[Match]:
    """Find all matches of the patterns."""
    lowered = text.lower()
    return [
        Match(*found.span(found.lastindex or 0), pattern.kind)
        for pattern in patterns
        if all(any(hint in lowered for hint in group) for group in pattern.hints)
        for found in pattern.expression.finditer(text)
    ]


def may_match(texts: pl.Series, patterns: Collection[Pattern]) -> pl.Series:
    """Return whether each text may match a pattern, by searching all texts for the hints at once."""
    lowered = texts.str.to_lowercase()
    # One expression in one pass: Polars' own search for so many words takes three times as long.
    first = dict.fromkeys(pattern.prefilter or join_words(pattern.hints[0]) for pattern in patterns)
    promising = lowered.str.contains("|".join(f"(?:{one})" for one in first))
    positions = promising.arg_true()
    text = pl.col("text")
    may_match_pattern = [
        pl.all_horizontal(
            *(text.str.contains_any(list(group)) for group in pattern.hints), text.str.contains(pattern.prefilter)
        )
        for pattern in patterns
    ]
    left = lowered.gather(positions).to_frame("text").select(pl.any_horizontal(may_match_pattern))
    return promising.scatter(positions, left.to_series())


def join_words(words: Iterable[str]) -> str:
    """Return a regular expression, for Python and Rust, that finds any of these words."""
    return "|".join(map(re.escape, words))


def drop_overlapping(matches: Iterable[Match]) -> list[Match]:
    """Return the matches in text order; of two that overlap, the one that was given first stays."""
    kept: list[Match] = []
    for match in matches:
        if all(match.end <= other.start or match.start >= other.end for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda match: match.start)


def redact(text: str, matches: Sequence[Match]) -> str:
    """Replace each match by `<KIND>`; the matches must not overlap."""
    for match in sorted(matches, key=lambda match: match.start, reverse=True):
        text = f"{text[: match.start]}<{match.kind}>{text[match.end :]}"
    return text


def blank_out(text: str, matches: Iterable[Match]) -> str:
    """Replace the matches by commas, so that all other offsets stay valid."""
    for match in matches:
        text = f"{text[: match.start]}{',' * (match.end - match.start)}{text[match.end :]}"
    return text


def name_kinds(matches: Sequence[Match]) -> str:
    """Return the kinds that were found, for a reason that shows no text."""
    return ",".join(sorted({match.kind for match in matches}))
