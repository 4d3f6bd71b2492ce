"""Cleaning: the one way in which a text is normalised and checked, before training, evaluation and prediction alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from nightloom.artifacts.models import Checks
from nightloom.recipes.schema import Action
from nightloom.scanners.base import Match, Scanner, drop_overlapping, name_kinds, redact
from nightloom.scanners.normalise import may_change, normalise
from nightloom.scanners.registry import open_scanners

Asked = Sequence[tuple[Scanner, Action]]
"""Scanners with what becomes of a text in which they find something, the cheapest first; no action is `keep`."""

_COLUMNS = {"clean": pl.String, "repairs": pl.String, "rule": pl.String, "measured": pl.String, "threshold": pl.String}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a text cannot be used: the rule, what was measured, and what the rule asks."""

    rule: str
    measured: str
    threshold: str


@dataclass(frozen=True, slots=True)
class CleanText:
    """A text after cleaning."""

    text: str
    repairs: tuple[str, ...] = ()
    reason: Reason | None = None


def clean_text(text: str | None, checks: Checks) -> CleanText:
    """Normalise a text, redact it, and find out whether it can be used; None is as good as empty."""
    text = text or ""
    if len(text) > checks.max_characters:
        return _too_long(text, checks.max_characters)
    return _scan(CleanText(*normalise(text, checks.operations)), open_scanners(checks))


def clean_texts(texts: pl.Series, checks: Checks) -> pl.DataFrame:
    """Do for many texts what `clean_text` does for one, and touch in Python only those where there may be something.

    Returns:
        A line for each text, in their order: `clean` is the text, `repairs` the names of what changed it, with commas
        between them; `rule`, `measured` and `threshold` are why it cannot be used, null where it can.
    """
    received = texts.cast(pl.String).fill_null("")
    too_long = received.str.len_chars() > checks.max_characters
    touched = {place: _too_long(received[place], checks.max_characters) for place in too_long.arg_true()}
    changing = (may_change(received, checks.operations) & ~too_long).arg_true()
    changed = {place: CleanText(*normalise(received[place], checks.operations)) for place in changing}
    normalised = received.clone().scatter(changing, [one.text for one in changed.values()])
    for place, asked in _ask_for_each(normalised, open_scanners(checks)).items():
        if place not in touched:
            changed[place] = _scan(changed.get(place) or CleanText(normalised[place]), asked)
    return _tabulate(normalised, touched | changed)


def _too_long(text: str, max_characters: int) -> CleanText:
    return CleanText(text, reason=Reason("too_long", str(len(text)), str(max_characters)))


def _ask_for_each(texts: pl.Series, asked: Asked) -> dict[int, Asked]:
    """Return those of the scanners that may find something, for each normalised text that `_scan` has to see."""
    holding = [(one, {*one[0].may_hold(texts).arg_true()}) for one in asked]
    empty = (texts == "").arg_true()
    places = {*empty}.union(*(held for _, held in holding))
    return {place: [one for one, held in holding if place in held] for place in sorted(places)}


def _scan(cleaned: CleanText, asked: Asked) -> CleanText:
    """Look for what a normalised text should not hold."""
    text, repairs, reason = cleaned.text, cleaned.repairs, None
    if not text:
        return CleanText(text, repairs, Reason("empty_text", "0", "1"))
    matches: list[Match] = []
    for scanner, action in asked:
        if action == "quarantine" and reason:
            continue
        found = scanner.find(text)
        if found and action == "quarantine":
            reason = Reason(scanner.name, name_kinds(found), "none")
        elif found:
            matches += found
            repairs = (*repairs, scanner.name)
    return CleanText(redact(text, drop_overlapping(matches)), repairs, reason)


def _tabulate(texts: pl.Series, touched: Mapping[int, CleanText]) -> pl.DataFrame:
    """Return the table of texts of which all but some came out as they were."""
    lines = [(one.text, ",".join(one.repairs), *_spell(one.reason)) for one in touched.values()]
    changes = pl.DataFrame(lines, _COLUMNS, orient="row")
    nothing = pl.lit(None, pl.String)
    table = pl.select(clean=texts, repairs=pl.lit(""), rule=nothing, measured=nothing, threshold=nothing)
    return pl.DataFrame([table[name].scatter(list(touched), changes[name]) for name in _COLUMNS])


def _spell(reason: Reason | None) -> tuple[str | None, str | None, str | None]:
    return (None, None, None) if reason is None else (reason.rule, reason.measured, reason.threshold)
