"""Faults: why rows cannot be used, as their source shows. Curation and prediction refuse them by these rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from nightloom.artifacts.frames import FAULT

FaultRule = Literal["not_a_chat", "not_a_text", "not_learned", "no_time", "same_version"]

REQUIRED: dict[str, str] = {
    "not_a_chat": "a conversation",
    "not_a_text": "a text",
    "not_learned": "an answer to learn",
    "no_time": "a time",
    "same_version": "1 row for each key and time",
}
"""Rule → what it requires, which is its threshold in the ledger."""

NO_FAULT = pl.lit(None, FAULT)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be used: the rule that refuses it, and what was measured, without text of the row."""

    rule: FaultRule
    measured: str


def make_faults(faults: Sequence[Fault | None]) -> pl.Series:
    """Return faults as a column (FAULT)."""
    return pl.Series([fault and {"measured": fault.measured, "rule": fault.rule} for fault in faults], dtype=FAULT)
