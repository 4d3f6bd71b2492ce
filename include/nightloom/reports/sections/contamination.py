"""Contamination: how much of each eval set is repeated in the training examples."""

from pathlib import Path

import polars as pl
from pydantic import Field

from nightloom.artifacts.data import EvalSetManifest
from nightloom.core.manifests import Plain
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Section


class EvalSetFacts(Plain):
    """How much of one eval set the examples repeat."""

    name: str
    items: int
    clean: int = Field(description="Items repeated less than the recipe's limit.")
    other_numbers: int = Field(description="Items repeated beyond the limit only if all digits count as equal.")
    unmeasured: int = Field(description="Items too short to be measured.")

    @property
    def repeated(self) -> int:
        """Items repeated beyond the recipe's limit."""
        return self.items - self.clean - self.unmeasured


class Facts(Plain):
    """How much of the eval sets the examples repeat."""

    eval_sets: tuple[EvalSetFacts, ...] = Field(description="In the order of the recipe.")
    refused: int = Field(description="Rows quarantined as duplicates or near-duplicates of an item.")


def read(night: NightManifests) -> Facts | None:
    """Return what curation measured for each eval set, or None if it measured nothing."""
    frame = night.lenient_store.read("contamination", night.curated.content.contamination if night.curated else None)
    if frame is None or night.curated is None or night.rows is None:
        return None
    # Equal eval sets with two names would count each item twice.
    lines = frame.unique(["evalset", "item_id"]).group_by("evalset")
    counts = lines.agg(pl.col("clean", "other_numbers").sum(), unmeasured=pl.col("clean").null_count())
    counted = {line.pop("evalset"): line for line in counts.to_dicts()}
    eval_sets = [
        each
        for name in night.curated.content.eval_sets
        if name in counted and (each := night.lenient_store.load(EvalSetManifest, name))
    ]
    if not eval_sets:
        return None
    return Facts(
        eval_sets=tuple(
            EvalSetFacts(name=each.content.name, items=each.content.items, **counted[each.id]) for each in eval_sets
        ),
        refused=sum(count.rows for count in night.rows.content.counts if count.rule == "in_eval_set"),
    )


SECTION = Section(Path(__file__), "Contamination", Facts, read)
