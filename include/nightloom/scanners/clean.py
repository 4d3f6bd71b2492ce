"""Cleaning: the one way in which a text is normalised and checked, before training, evaluation and prediction alike."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import polars as pl

from nightloom.scanners.injections import find_injections, may_hold_injections
from nightloom.scanners.normalise import DEFAULT_OPERATIONS, may_change, normalise
from nightloom.scanners.pii import find_pii, may_hold_pii
from nightloom.scanners.secrets import find_secrets, may_hold_secrets
from nightloom.scanners.spans import Span, name_kinds, redact

PiiPolicy = Literal["redact", "quarantine", "keep"]
Policy = Literal["quarantine", "keep"]

_COLUMNS = {"clean": pl.String, "repairs": pl.String, "rule": pl.String, "measured": pl.String, "threshold": pl.String}


@dataclass(frozen=True, slots=True)
class Policies:
    """What becomes of personal data, of a text with a secret in it, and of one that speaks to the model."""

    pii: PiiPolicy
    secrets: Policy
    prompt_injections: Policy


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a text cannot be used: the rule, what was measured, and what the rule asks."""

    rule: str
    measured: str
    threshold: str


@dataclass(frozen=True, slots=True)
class CleanText:
    """A text after cleaning."""

    text: str
    repairs: tuple[str, ...] = ()
    finding: Finding | None = None


def clean_text(
    text: str | None,
    *,
    pii: PiiPolicy,
    secrets: Policy,
    prompt_injections: Policy,
    max_characters: int,
    operations: Collection[str] = DEFAULT_OPERATIONS,
) -> CleanText:
    """Normalise a text, take personal data out, and say whether it can be used.

    Args:
        text: As it was received; none is as good as empty.
        pii: What becomes of personal data.
        secrets: What becomes of a text with a secret in it.
        prompt_injections: What becomes of a text that speaks to the model.
        max_characters: Length beyond which a text, as received, is refused.
        operations: Names of the operations that normalise it.
    """
    text = text or ""
    if len(text) > max_characters:
        return _too_long(text, max_characters)
    return _scan(CleanText(*normalise(text, operations)), Policies(pii, secrets, prompt_injections))


def clean_texts(
    texts: pl.Series,
    *,
    pii: PiiPolicy,
    secrets: Policy,
    prompt_injections: Policy,
    max_characters: int,
    operations: Collection[str] = DEFAULT_OPERATIONS,
) -> pl.DataFrame:
    """Do for many texts what `clean_text` does for one, and touch in Python only those where there may be something.

    Returns:
        A line for each text, in their order: `clean` is the text, `repairs` the names of what changed it, with commas
        between them; `rule`, `measured` and `threshold` are its finding, null where nothing was found.
    """
    policies = Policies(pii, secrets, prompt_injections)
    received = texts.cast(pl.String).fill_null("")
    too_long = received.str.len_chars() > max_characters
    touched = {place: _too_long(received[place], max_characters) for place in too_long.arg_true()}
    changing = (may_change(received, operations) & ~too_long).arg_true()
    changed = {place: CleanText(*normalise(received[place], operations)) for place in changing}
    normalised = received.clone().scatter(changing, [one.text for one in changed.values()])
    for place, asked in _ask_for_each(normalised, policies).items():
        if place not in touched:
            changed[place] = _scan(changed.get(place) or CleanText(normalised[place]), asked)
    return _tabulate(normalised, touched | changed)


def _too_long(text: str, max_characters: int) -> CleanText:
    return CleanText(text, finding=Finding("too_long", str(len(text)), str(max_characters)))


_SEARCHES: Mapping[str, Callable[[pl.Series], pl.Series]] = {
    "pii": may_hold_pii,
    "secrets": may_hold_secrets,
    "prompt_injections": may_hold_injections,
}


def _ask_for_each(texts: pl.Series, policies: Policies) -> dict[int, Policies]:
    """Give the policies for those normalised texts in which `_scan` may find something: of the rest, `keep`."""
    given = asdict(policies)
    holding = {name: {*search(texts).arg_true()} for name, search in _SEARCHES.items() if given[name] != "keep"}
    empty = (texts == "").arg_true()
    return {
        place: Policies(**{name: given[name] if place in holding.get(name, ()) else "keep" for name in given})
        for place in sorted({*empty}.union(*holding.values()))
    }


def _scan(cleaned: CleanText, policies: Policies) -> CleanText:
    """Look for what a normalised text should not hold."""
    text, repairs = cleaned.text, cleaned.repairs
    if not text:
        return CleanText(text, repairs, Finding("empty_text", "0", "1"))
    finding = None
    if policies.secrets == "quarantine":
        finding = _refuse("secret", find_secrets(text))
    if finding is None and policies.prompt_injections == "quarantine":
        finding = _refuse("prompt_injection", find_injections(text))
    found = [] if policies.pii == "keep" else find_pii(text)
    if finding is None and policies.pii == "quarantine":
        finding = _refuse("pii", found)
    if found and policies.pii == "redact":
        text, repairs = redact(text, found), (*repairs, "pii")
    return CleanText(text, repairs, finding)


def _tabulate(texts: pl.Series, touched: Mapping[int, CleanText]) -> pl.DataFrame:
    """Give the table of texts of which all but some came out as they were."""
    lines = [(one.text, ",".join(one.repairs), *_spell(one.finding)) for one in touched.values()]
    changes = pl.DataFrame(lines, _COLUMNS, orient="row")
    nothing = pl.lit(None, pl.String)
    table = pl.select(clean=texts, repairs=pl.lit(""), rule=nothing, measured=nothing, threshold=nothing)
    return pl.DataFrame([table[name].scatter(list(touched), changes[name]) for name in _COLUMNS])


def _spell(finding: Finding | None) -> tuple[str | None, str | None, str | None]:
    return (None, None, None) if finding is None else (finding.rule, finding.measured, finding.threshold)


def _refuse(rule: str, spans: Sequence[Span]) -> Finding | None:
    return Finding(rule, name_kinds(spans), "none") if spans else None
