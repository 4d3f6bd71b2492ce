"""Inputs: what curation takes over from earlier nights and from people."""

from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl

from nightloom.artifacts.data import TokenBudget
from nightloom.artifacts.frames import RELEASES
from nightloom.artifacts.ids import PreparationId


def _no_releases() -> pl.DataFrame:
    return pl.DataFrame(schema=RELEASES)


@dataclass(frozen=True, slots=True)
class CurationInputs:
    """What curation takes over.

    Attributes:
        parent: The preparation of the night before; none for the first.
        before: Its ledger (blobs), whose clusters and splits are taken over.
        releases: Rows that people let through (RELEASES).
        erased: SHA-256 of the ids of rows that were erased.
        tokens: What tokens are counted by; none: they are not.
    """

    parent: PreparationId | None = None
    before: tuple[str, ...] = ()
    releases: pl.DataFrame = field(default_factory=_no_releases)
    erased: Collection[str] = ()
    tokens: TokenBudget | None = None
