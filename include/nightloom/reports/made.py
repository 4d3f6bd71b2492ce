"""Made: the manifests of one night, as far as it came."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.data import Curated, EvalSetManifest, Preparation, Records, Snapshot
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.results import Parity, PredictionPlan, Predictions, Verdict
from nightloom.artifacts.training import Ranking, Trial, identify_trial
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.members import list_night
from nightloom.registry.nights import StageOutcome, read_outcome
from nightloom.registry.trials import TrialProgress, read_trials
from nightloom.reports.conclusion import Outcomes
from nightloom.reports.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Made:
    """What a night made, as far as it came.

    Attributes:
        eval_sets: As the recipe orders them.
        contamination: What the examples repeat of their items (CONTAMINATION).
        rankings: Of the blueprint's trials at each rung, and at the end.
        progress: How far each of the trials came that were begun.
        trial: The one that made the candidate; of a night without a verdict, the last one that was trained.
    """

    records: Records | None
    curated: Curated | None
    eval_sets: tuple[EvalSetManifest, ...]
    contamination: pl.DataFrame | None
    preparation: Preparation | None
    snapshot: Snapshot | None
    blueprint: Blueprint | None
    prompt: Prompt | None
    rankings: tuple[Ranking, ...]
    progress: tuple[TrialProgress, ...]
    trial: Trial | None
    verdict: Verdict | None
    parity: Parity | None
    plan: PredictionPlan | None
    predictions: Predictions | None


def read_made(shelf: Shelf, database: Database, recipe: str, night: date, outcomes: Outcomes) -> Made:
    """Read what the stages say that they made; of one that ended early, what the registry knows that it had made."""
    preparation = shelf.load(Preparation, manifest_of(outcomes["prepare"]))
    verdict = shelf.load(Verdict, manifest_of(outcomes["finetune"]))
    predictions = shelf.load(Predictions, manifest_of(outcomes["predict"]))
    curated = shelf.load(
        Curated, preparation.content.curated if preparation else find_made(database, "curated", recipe, night)
    )
    records = preparation.content.records if preparation else curated.content.records if curated else None
    eval_sets = (shelf.load(EvalSetManifest, each) for each in (curated.content.eval_sets if curated else ()))
    blueprint = shelf.load(
        Blueprint, verdict.content.blueprint if verdict else find_made(database, "blueprint", recipe, night)
    )
    rankings = tuple(_find_rankings(shelf, blueprint)) if blueprint else ()
    if verdict:
        trial = _find_winner(shelf, rankings[-1], blueprint.content) if blueprint and rankings else None
    else:
        trial = shelf.load(Trial, find_made(database, "trial", recipe, night))
    return Made(
        records=shelf.load(Records, records),
        curated=curated,
        eval_sets=tuple(each for each in eval_sets if each),
        contamination=shelf.read("contamination", curated.content.contamination if curated else None),
        preparation=preparation,
        snapshot=shelf.load(Snapshot, preparation.content.snapshot if preparation else None),
        blueprint=blueprint,
        prompt=shelf.load(Prompt, blueprint.content.task.prompt if blueprint else None),
        rankings=rankings,
        progress=tuple(read_trials(database, list_trial_ids(blueprint.content))) if blueprint else (),
        trial=trial,
        verdict=verdict,
        parity=shelf.load(Parity, verdict.content.parity if verdict else None),
        plan=shelf.load(PredictionPlan, predictions.content.plan if predictions else None),
        predictions=predictions,
    )


def manifest_of(outcome: StageOutcome | None) -> str | None:
    """Give the manifest that a stage names."""
    return outcome.manifest if outcome else None


def find_made(database: Database, kind: str, recipe: str, night: date) -> str | None:
    """Return the manifest of a kind that a night made or used last."""
    members = list_night(database, recipe, night, kind)
    return members[-1].manifest if members else None


def find_docs(store: ObjectStore, database: Database, recipe: str, night: date) -> str | None:
    """Give the blob of the Data Docs of a night's validation, whatever the night came to; nothing where there is none.

    Raises:
        StoreError: The store cannot be read.
        ManifestError: A manifest is not what it was.
    """
    prepared = manifest_of(read_outcome(database, recipe, night, "prepare"))
    if prepared:
        curated: str | None = store.load(Preparation, prepared).content.curated
    else:
        curated = find_made(database, "curated", recipe, night)
    return store.load(Curated, curated).provenance.docs if curated else None


def list_trial_ids(blueprint: BlueprintSpec) -> list[str]:
    """Give the ids of a blueprint's trials, by their number."""
    return [Trial.id_of(identify_trial(blueprint, number)) for number in range(len(blueprint.trials))]


def _find_rankings(shelf: Shelf, blueprint: Blueprint) -> Iterator[Ranking]:
    """Give the rankings up to the last one that was made."""
    rungs = blueprint.content.pruning.rungs if blueprint.content.pruning else ()
    for rung in range(len(rungs) + 1):
        ranking = shelf.find(Ranking, Ranking.Key(blueprint=blueprint.id, rung=rung))
        if ranking is None:
            return
        yield ranking


def _find_winner(shelf: Shelf, ranking: Ranking, blueprint: BlueprintSpec) -> Trial | None:
    return shelf.find(Trial, identify_trial(blueprint, ranking.result.going_on[0]))
