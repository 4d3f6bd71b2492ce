"""Lineage of a row: what every night made of it, who let it through, and which adapters learned from it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from nightloom.artifacts.data import Preparation
from nightloom.artifacts.frames import LEDGER
from nightloom.artifacts.ids import AdapterId, SnapshotId
from nightloom.artifacts.parts import find_lines
from nightloom.core.store import ObjectStore
from nightloom.registry import questions
from nightloom.registry.database import Database
from nightloom.registry.erasures import find_erasure
from nightloom.registry.nights import read_outcomes
from nightloom.registry.releases import list_releases


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of one version of a row in one night, and the snapshot of that night."""

    night: date
    snapshot: SnapshotId
    line: dict[str, Any]  # of the ledger

    @property
    def was_trained_on(self) -> bool:
        """The row itself, and not another that stands for it, was among the rows to train on."""
        return self.line["outcome"] in ("kept", "repaired") and self.line["split"] == "train"


def find_prepared(store: ObjectStore, database: Database, recipe: str, row_id: str, nights: int) -> list[Prepared]:
    """Return what the last nights of a recipe made of a row, newest night first."""
    found = []
    for outcome in read_outcomes(database, recipe, date.max, nights):
        if outcome.stage == "prepare" and outcome.manifest is not None:
            preparation = store.load(Preparation, outcome.manifest).content
            lines = find_lines(store, preparation.ledger, LEDGER, row_id).drop("row_id").to_dicts()
            found += [Prepared(outcome.night, preparation.snapshot, line) for line in lines]
    return found


def list_decisions(database: Database, recipe: str, row_id: str) -> list[dict[str, Any]]:
    """Return what people decided on a row: releases and its erasure, oldest first."""
    decisions: list[dict[str, Any]] = [
        {
            "at": one.released_at,
            "stage": "release",
            "night": one.from_night,
            "outcome": "released",
            "rule": one.rule,
            "version": one.version,
            "who": one.who,
            "why": one.why,
        }
        for one in list_releases(database, recipe)
        if one.row_id == row_id
    ]
    erasure = find_erasure(database, recipe, row_id)
    if erasure is not None:
        outcome = "erased" if erasure.finished_at else "erasure did not end: run it again"
        told = {"stage": "erase", "night": None, "outcome": outcome, "who": erasure.who, "why": erasure.why}
        decisions.append({"at": erasure.erased_at, **told})
    return sorted(decisions, key=lambda one: one["at"])


def list_learners(database: Database, recipe: str, row_id: str, snapshots: Collection[SnapshotId]) -> list[AdapterId]:
    """Return the adapters that were trained on one of these snapshots, or that a row's erasure names; sorted."""
    erasure = find_erasure(database, recipe, row_id)
    return sorted({*questions.list_learners(database, snapshots), *(erasure.adapters if erasure else ())})
