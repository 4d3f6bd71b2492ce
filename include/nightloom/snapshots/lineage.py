"""Lineage: a row's outcomes in every night, its releases and erasure, and the adapters that were trained on it."""

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
from nightloom.registry.nights import Status, read_outcomes
from nightloom.registry.releases import list_releases


@dataclass(frozen=True, slots=True)
class Prepared:
    """The outcome of one version of a row in one night, and that night's snapshot; a refused night has none."""

    night: date
    status: Status
    snapshot: SnapshotId | None
    line: dict[str, Any]  # of the ledger

    @property
    def was_trained_on(self) -> bool:
        """Whether the row itself, not a duplicate that it was merged into, was a training row."""
        is_kept = self.line["outcome"] in ("kept", "repaired") and self.line["split"] == "train"
        return self.snapshot is not None and is_kept


def find_prepared(store: ObjectStore, database: Database, recipe: str, row_id: str, nights: int) -> list[Prepared]:
    """Return the outcomes of a row in the last nights of a recipe, newest night first."""
    found = []
    for outcome in read_outcomes(database, recipe, date.max, nights):
        if outcome.stage == "prepare" and outcome.manifest is not None:
            preparation = store.load(Preparation, outcome.manifest).content
            lines = find_lines(store, preparation.ledger, LEDGER, row_id).drop("row_id").to_dicts()
            found += [Prepared(outcome.night, outcome.status, preparation.snapshot, line) for line in lines]
    return found


def list_decisions(database: Database, recipe: str, row_id: str) -> list[dict[str, Any]]:
    """Return people's decisions on a row: releases and its erasure, oldest first."""
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
        outcome = "erased" if erasure.finished_at else "erasure did not finish: run it again"
        line = {"stage": "erase", "night": None, "outcome": outcome, "who": erasure.who, "why": erasure.why}
        decisions.append({"at": erasure.erased_at, **line})
    return sorted(decisions, key=lambda one: one["at"])


def list_learners(database: Database, recipe: str, row_id: str, snapshots: Collection[SnapshotId]) -> list[AdapterId]:
    """Return the sorted adapters that were trained on one of these snapshots, or that a row's erasure names."""
    erasure = find_erasure(database, recipe, row_id)
    return sorted({*questions.list_learners(database, snapshots), *(erasure.adapters if erasure else ())})
