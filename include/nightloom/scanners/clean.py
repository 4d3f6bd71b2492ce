"""Cleaning: normalise and scan texts, the same way for training, evaluation and prediction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import polars as pl

from nightloom.artifacts.answers import Found
from nightloom.artifacts.models import Checks
from nightloom.recipes.preparation import Action
from nightloom.scanners.base import Match, Scanner, drop_overlapping, name_kinds, redact
from nightloom.scanners.normalise import flatten, flatten_texts, list_offsets, may_change, normalise
from nightloom.scanners.registry import open_scanners

ScannersWithActions = Sequence[tuple[Scanner, Action]]
"""Scanners and their actions, the cheapest first; no action is `keep`."""

_COLUMNS = {"clean": pl.String, "repairs": pl.String, "rule": pl.String, "measured": pl.String, "threshold": pl.String}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a text cannot be used: the rule, the measured value, and its threshold."""

    rule: str
    measured: str
    threshold: str


@dataclass(frozen=True, slots=True)
class CleanText:
    """A text after cleaning."""

    text: str
    repairs: tuple[str, ...] = ()
    reason: Reason | None = None
    found: tuple[Found, ...] = ()


def clean_text(text: str | None, checks: Checks) -> CleanText:
    """Normalise a text, redact it, and check whether it can be used; None counts as empty."""
    text = text or ""
    if len(text) > checks.max_characters:
        return _too_long(text, checks.max_characters)
    return _scan(CleanText(*normalise(text, checks.operations)), open_scanners(checks))


def clean_texts(texts: pl.Series, checks: Checks) -> pl.DataFrame:
    """Clean many texts like `clean_text`; only texts that may change or match are handled in Python.

    Returns:
        One row for each text, in order: `clean` is the text, `repairs` the comma-separated names of the operations and
        scanners that changed it. `rule`, `measured` and `threshold` are the reason why it cannot be used, or null.
    """
    return _tabulate(*_clean_touched(texts, checks))


def find_in_texts(texts: pl.Series, checks: Checks) -> dict[int, CleanText]:
    """Return the clean form of each text in which a scanner finds something, by position."""
    _, touched = _clean_touched(texts, checks)
    return {position: one for position, one in touched.items() if one.found}


def _clean_touched(texts: pl.Series, checks: Checks) -> tuple[pl.Series, dict[int, CleanText]]:
    """Return all texts normalised, and by position those that changed or may match."""
    received = texts.cast(pl.String).fill_null("")
    too_long = received.str.len_chars() > checks.max_characters
    touched = {position: _too_long(received[position], checks.max_characters) for position in too_long.arg_true()}
    changing = (may_change(received, checks.operations) & ~too_long).arg_true()
    changed = {position: CleanText(*normalise(received[position], checks.operations)) for position in changing}
    normalised = received.clone().scatter(changing, [one.text for one in changed.values()])
    for position, scanners in _choose_scanners(normalised, open_scanners(checks)).items():
        if position not in touched:
            changed[position] = _scan(changed.get(position) or CleanText(normalised[position]), scanners)
    return normalised, touched | changed


def _too_long(text: str, max_characters: int) -> CleanText:
    return CleanText(text, reason=Reason("too_long", str(len(text)), str(max_characters)))


def _choose_scanners(texts: pl.Series, scanners: ScannersWithActions) -> dict[int, ScannersWithActions]:
    """Return the scanners that may find something, for each normalised text that needs `_scan`."""
    flat = flatten_texts(texts)
    holding = [(one, {*one[0].may_hold(flat).arg_true()}) for one in scanners]
    empty = (texts == "").arg_true()
    positions = {*empty}.union(*(held for _, held in holding))
    return {position: [one for one, held in holding if position in held] for position in sorted(positions)}


def _scan(cleaned: CleanText, scanners: ScannersWithActions) -> CleanText:
    """Run scanners over a normalised text, flat, so that runs of white space hide no match."""
    text, repairs, reason = cleaned.text, cleaned.repairs, None
    if not text:
        return CleanText(text, repairs, Reason("empty_text", "0", "1"))
    flat = flatten(text)
    matches: list[Match] = []
    counted: list[Found] = []
    for scanner, action in scanners:
        # One reason is enough, but redactions must run: people may release the row.
        if action == "quarantine" and reason:
            continue
        found = scanner.find(flat)
        counted += _count(scanner, found)
        if found and action == "quarantine":
            reason = Reason(scanner.name, name_kinds(found), "none")
        elif found:
            matches += found
            repairs = (*repairs, scanner.name)
    if matches and flat != text:
        matches = _move(matches, list_offsets(text))
    return CleanText(redact(text, drop_overlapping(matches)), repairs, reason, tuple(counted))


def _count(scanner: Scanner, matches: Sequence[Match]) -> list[Found]:
    kinds = Counter(match.kind for match in matches)
    return [Found(scanner=scanner.name, kind=kind, number=number) for kind, number in sorted(kinds.items())]


def _move(matches: Sequence[Match], offsets: Sequence[int]) -> list[Match]:
    """Return matches in a flat text as matches in the text."""
    return [Match(offsets[one.start], offsets[one.end - 1] + 1, one.kind) for one in matches]


def _tabulate(texts: pl.Series, touched: Mapping[int, CleanText]) -> pl.DataFrame:
    """Return the table of all texts; only some were changed or refused."""
    lines = [
        (one.text, ",".join(one.repairs), *(astuple(one.reason) if one.reason else (None, None, None)))
        for one in touched.values()
    ]
    changes = pl.DataFrame(lines, _COLUMNS, orient="row")
    nothing = pl.lit(None, pl.String)
    table = pl.select(clean=texts, repairs=pl.lit(""), rule=nothing, measured=nothing, threshold=nothing)
    return pl.DataFrame([table[name].scatter(list(touched), changes[name]) for name in _COLUMNS])
