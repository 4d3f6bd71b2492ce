"""Screening: clean and check rows to predict in the same way as training rows, before a model sees them."""

from dataclasses import dataclass

import polars as pl

from nightloom.artifacts.histories import Turn
from nightloom.artifacts.models import Checks
from nightloom.artifacts.predictions import PredictionStatus
from nightloom.scanners.clean import Reason
from nightloom.scanners.conversations import clean_conversations


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row has no answer, without text of the row."""

    status: PredictionStatus
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Screened:
    """A row as the model may see it, or the reason why it may not."""

    text: str
    history: list[Turn] | None
    flags: tuple[str, ...]
    refusal: Refusal | None


def screen_rows(rows: pl.DataFrame, checks: Checks) -> list[Screened]:
    """Clean rows (RECORDS), and decide which of them a model may see."""
    cleaned = clean_conversations(rows.select("text", "history"), checks)
    return [
        Screened("", None, (), Refusal("failed", fault["rule"], fault["measured"]))
        if fault
        else _screen_row(checks, *row)
        for fault, row in zip(rows["fault"].to_list(), cleaned.iter_rows(), strict=True)
    ]


def _screen_row(
    checks: Checks, text: str, history: list[Turn] | None, repairs: str, rule: str | None, *measured: str
) -> Screened:
    found = {*repairs.split(","), rule or ""} & checks.actions.keys()
    refusal = None if rule is None else _refuse(checks, Reason(rule, *measured))
    return Screened(text, history, tuple(sorted(found)), refusal)


def _refuse(checks: Checks, reason: Reason) -> Refusal:
    if reason.rule in checks.actions:
        return Refusal("blocked", reason.rule, f"found in the text: {reason.measured}")
    characters = "character" if reason.measured == "1" else "characters"
    message = f"the text has {reason.measured} {characters}; the threshold is {reason.threshold}"
    return Refusal("failed", reason.rule, message)
