"""Blueprints of a recipe: what its night would compile to, and those that it had before."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.data import EvalSetManifest, Preparation
from nightloom.artifacts.models import BaseModelManifest
from nightloom.artifacts.training import Ranking
from nightloom.blueprints.compile import draft_blueprint, publish_blueprint
from nightloom.blueprints.verify import THREADS, refuse_other, verify_installation
from nightloom.core.digests import code_digest
from nightloom.core.errors import InputError, ManifestError
from nightloom.core.packages import worker_packages
from nightloom.core.recipe_check import load_recipe
from nightloom.core.recipes import Recipe
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.core.worker import run_in_worker
from nightloom.nightly.stops import Stop
from nightloom.prompts.templates import read_prompt
from nightloom.registry.database import Database
from nightloom.registry.nights import index_manifest, list_manifests, read_outcome, read_outcomes
from nightloom.training.bases import describe_base
from nightloom.training.ranking import count_rungs

_READS = ("tokenizers", "transformers")
"""Packages that tell how a base model's tokenizer is read, beside our engines."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A base model as a blueprint names it."""

    base: str
    tokenizer: str | None
    template: str | None


def compile_recipe(store: ObjectStore, database: Database, recipe: str, night: date) -> Blueprint | Stop:
    """Compile a recipe for a night that was prepared, and store the blueprint; base models are frozen first.

    Raises:
        InputError: The recipe, its prompt or its base model cannot be used.
    """
    prepared = find_preparation(store, database, recipe, night)
    if isinstance(prepared, Stop):
        return prepared
    settings = load_recipe(recipe)
    frozen = Frozen(**run_in_worker("training.bases:run_freeze", base=settings.train.base))
    draft = draft_recipe(store, settings, night, prepared, frozen)
    prompt = read_prompt(get_settings().prompts_dir, settings.task.prompt)
    blueprint = publish_blueprint(store, draft, prompt)
    index_manifest(database, "blueprint", blueprint.id, recipe, night)
    return blueprint


def draft_recipe(store: ObjectStore, recipe: Recipe, night: date, prepared: Preparation, frozen: Frozen) -> Blueprint:
    """Give what a recipe is compiled to, as it stands now, on what a night prepared."""
    return draft_blueprint(
        recipe,
        night=night,
        snapshot=prepared.identity.snapshot,
        base=frozen.base,
        tokenizer=frozen.tokenizer,
        template=frozen.template,
        prompt=read_prompt(get_settings().prompts_dir, recipe.task.prompt),
        eval_sets=[store.load(EvalSetManifest, evalset) for evalset in prepared.identity.eval_sets],
    )


def open_stored(store: ObjectStore, blueprint_id: str) -> Blueprint:
    """Give a stored blueprint that somebody wants to run, if this installation is as it says.

    Raises:
        ManifestError: It is not there.
        InputError: Code, packages or environment are others.
    """
    blueprint = store.load(Blueprint, blueprint_id)
    # The number of threads is a machine's own, as its kind is: it makes no run another one.
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    refuse_other(blueprint, verify_installation(blueprint.identity, None, environment))
    return blueprint


def find_preparation(store: ObjectStore, database: Database, recipe: str, night: date) -> Preparation | Stop:
    """Give what a night prepared, or why there is nothing to train on."""
    prepared = read_outcome(database, recipe, night, "prepare")
    if prepared is None or prepared.status != "done" or prepared.manifest is None:
        why = prepared.sentence if prepared else f"night {night} was not prepared"
        return Stop("nothing_new", f"nothing to train on: {why}")
    return store.load(Preparation, prepared.manifest)


def find_prepared_night(database: Database, recipe: str, night: date | None) -> date:
    """Give the night that is meant: the given one, or the latest that was prepared.

    Raises:
        InputError: None was.
    """
    if night is not None:
        return night
    outcomes = read_outcomes(database, recipe, date.max, 60)
    found = next((one.night for one in outcomes if one.stage == "prepare" and one.status == "done"), None)
    if found is None:
        msg = f"no night of {recipe} was prepared yet, so there is nothing to compile for; `nightloom run {recipe}`"
        raise InputError(msg)
    return found


def find_frozen(store: ObjectStore, base: str, earlier: Sequence[Blueprint]) -> Frozen | None:
    """Give a base model, where that can be told at once; nothing: it has to be frozen first.

    How its tokenizer is read is taken from an earlier blueprint that was compiled by the same code and packages.
    """
    packages = worker_packages()
    described = describe_base(store, base, packages)
    if described is None or store.find(BaseModelManifest, described) is None:
        return None
    base_id = BaseModelManifest.id_of(described)
    engines = code_digest("nightloom.engines")
    for one in reversed(earlier):
        known = one.identity
        same = known.code.get("nightloom.engines") == engines and all(
            known.packages.get(name) == packages.get(name) for name in _READS
        )
        if known.base == base_id and same:
            return Frozen(base_id, known.tokenizer, known.template)
    return Frozen(base_id, **run_in_worker("training.bases:run_describe", base=base_id))


def find_winner(store: ObjectStore, blueprint_id: str) -> int | None:
    """Give the number of the trial whose adapter is the candidate; nothing: several were not ranked yet."""
    identity = store.load(Blueprint, blueprint_id).identity
    if ranked := store.find(Ranking, Ranking.Identity(blueprint=blueprint_id, rung=count_rungs(identity))):
        return ranked.record.going_on[0]
    return 0 if len(identity.trials) == 1 else None


def list_earlier(store: ObjectStore, database: Database, recipe: str, most: int = 10) -> list[Blueprint]:
    """Give the last blueprints of a recipe that the store still has, the newest last."""
    found: list[Blueprint] = []
    for manifest, _, _ in reversed(list_manifests(database, "blueprint", recipe)):
        if len(found) == most:
            break
        try:
            found.append(store.load(Blueprint, manifest))
        except ManifestError:
            continue  # it is for comparison only
    return found[::-1]
