"""Inputs: decisions of earlier nights and of people that curation follows."""

from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl

from nightloom.artifacts.data import TokenBudget
from nightloom.artifacts.frames import RELEASES
from nightloom.artifacts.ids import PreparationId


@dataclass(frozen=True, slots=True)
class CurationInputs:
    """Decisions that curation follows.

    Attributes:
        parent: The preparation of the night before, or None on the first night.
        before: Its ledger (blobs), whose clusters and splits are kept.
        releases: Waivers of rules for rows (RELEASES).
        erased: SHA-256 of the ids of erased rows.
        tokens: The token budget, or None if tokens are not counted.
    """

    parent: PreparationId | None = None
    before: tuple[str, ...] = ()
    releases: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RELEASES))
    erased: Collection[str] = ()
    tokens: TokenBudget | None = None
