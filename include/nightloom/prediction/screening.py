"""Screening: what training rows go through, a row to be predicted goes through too, before a model sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightloom.artifacts.histories import History, Turn, chat_fault
from nightloom.artifacts.results import PredictionStatus
from nightloom.scanners.clean import Finding, clean_text
from nightloom.scanners.turns import clean_history

_BLOCKING = {"secret", "prompt_injection", "pii"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row has no answer of a model; never text of the row."""

    status: PredictionStatus
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Screened:
    """A text as the model may see it, or why it may not."""

    text: str
    history: list[Turn] | None
    flags: tuple[str, ...]
    refusal: Refusal | None


def screen_text(text: str | None, checks: Mapping[str, Any], history: History | None = None) -> Screened:
    """Mend a text, redact it, and decide whether a model may see it: `checks` are the settings of `clean_text`.

    What was said before it goes through the same.
    """
    fault = chat_fault(history)
    if fault:
        return Screened(text or "", None, (), Refusal("failed", "not_a_chat", fault))
    cleaned, before = clean_text(text, **checks), clean_history(history, checks)
    finding = cleaned.finding or before.finding
    found = {*cleaned.repairs, *before.repairs, finding.rule if finding else ""}
    refusal = _refuse(finding) if finding else None
    return Screened(cleaned.text, before.turns, tuple(sorted(found & _BLOCKING)), refusal)


def _refuse(finding: Finding) -> Refusal:
    if finding.rule in _BLOCKING:
        return Refusal("blocked", finding.rule, f"found in the text: {finding.measured}")
    message = f"the text has {finding.measured} characters; the threshold is {finding.threshold}"
    return Refusal("failed", finding.rule, message)
