"""Cleaning: the one way in which a text is normalised and checked, before training, evaluation and prediction alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from nightloom.scanners.injections import find_injections
from nightloom.scanners.normalise import normalise
from nightloom.scanners.pii import find_pii
from nightloom.scanners.secrets import find_secrets
from nightloom.scanners.spans import Span, name_kinds, redact


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
    pii: Literal["redact", "quarantine", "keep"],
    secrets: Literal["quarantine", "keep"],
    prompt_injections: Literal["quarantine", "keep"],
    max_characters: int,
) -> CleanText:
    """Normalise a text, take personal data out, and say whether it can be used.

    Args:
        text: As it was received; none is as good as empty.
        pii: What becomes of personal data.
        secrets: What becomes of a text with a secret in it.
        prompt_injections: What becomes of a text that speaks to the model.
        max_characters: Length beyond which a text, as received, is refused.
    """
    if text is not None and len(text) > max_characters:
        return CleanText(text, finding=Finding("too_long", str(len(text)), str(max_characters)))
    text, repairs = normalise(text or "")
    if not text:
        return CleanText(text, repairs, Finding("empty_text", "0", "1"))
    finding = None
    if secrets == "quarantine":
        finding = _refuse("secret", find_secrets(text))
    if finding is None and prompt_injections == "quarantine":
        finding = _refuse("prompt_injection", find_injections(text))
    found = [] if pii == "keep" else find_pii(text)
    if finding is None and pii == "quarantine":
        finding = _refuse("pii", found)
    if found and pii == "redact":
        text, repairs = redact(text, found), (*repairs, "pii")
    return CleanText(text, repairs, finding)


def _refuse(rule: str, spans: Sequence[Span]) -> Finding | None:
    return Finding(rule, name_kinds(spans), "none") if spans else None


def clean_texts(
    texts: pl.Series,
    *,
    pii: Literal["redact", "quarantine", "keep"],
    secrets: Literal["quarantine", "keep"],
    prompt_injections: Literal["quarantine", "keep"],
    max_characters: int,
    operations: Sequence[str],
) -> pl.DataFrame:
    """Clean many texts: clean, repairs (names separated by commas), rule, measured and threshold of each."""
    cleaned = [
        clean_text(text, pii=pii, secrets=secrets, prompt_injections=prompt_injections, max_characters=max_characters)
        for text in texts
    ]
    lines = [
        (
            one.text,
            ",".join(one.repairs),
            *((one.finding.rule, one.finding.measured, one.finding.threshold) if one.finding else (None,) * 3),
        )
        for one in cleaned
    ]
    return pl.DataFrame(
        lines, dict.fromkeys(("clean", "repairs", "rule", "measured", "threshold"), pl.String), orient="row"
    )
