"""Contamination: how much of each eval set the examples repeat."""

from pathlib import Path

import polars as pl
from pydantic import Field

from nightloom.artifacts.data import EvalSetManifest
from nightloom.core.manifests import Plain
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Section


class EvalSetFacts(Plain):
    """What the examples repeat of one eval set."""

    name: str
    items: int
    clean: int = Field(description="Items of which the examples repeat less than the recipe allows.")


class Facts(Plain):
    """What the examples repeat."""

    eval_sets: tuple[EvalSetFacts, ...] = Field(description="As the recipe orders them.")
    refused: int = Field(description="Rows that were quarantined because they are, or nearly are, an item.")


def read(night: NightManifests) -> Facts | None:
    """Return what curation measured of each eval set."""
    frame = night.shelf.read("contamination", night.curated.content.contamination if night.curated else None)
    if frame is None or night.curated is None or night.rows is None:
        return None
    # Equal eval sets under two names would have each item twice.
    lines = frame.unique(["evalset", "item_id"]).group_by("evalset").agg(pl.col("clean").sum())
    clean = dict(lines.iter_rows())
    eval_sets = [each for name in night.curated.content.eval_sets if (each := night.shelf.load(EvalSetManifest, name))]
    if not eval_sets:
        return None
    return Facts(
        eval_sets=tuple(
            EvalSetFacts(name=each.content.name, items=each.content.items, clean=clean.get(each.id, 0))
            for each in eval_sets
        ),
        refused=sum(count.rows for count in night.rows.content.counts if count.rule == "in_eval_set"),
    )


SECTION = Section(Path(__file__), "Contamination", Facts, read)
