"""Verifying: a blueprint against the store, this installation, and the recipe that it was compiled from."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from nightloom.artifacts.blueprints import Blueprint, BlueprintIdentity
from nightloom.artifacts.data import EvalSetManifest
from nightloom.artifacts.models import BaseModelIdentity, BaseModelManifest, ModelFile
from nightloom.blueprints.compile import draft_blueprint
from nightloom.blueprints.diff import diff_blueprints
from nightloom.blueprints.verify import verify_inputs, verify_installation
from nightloom.core.digests import short
from nightloom.core.errors import InputError, ManifestError
from nightloom.core.nights import parse_night
from nightloom.core.packages import worker_packages
from nightloom.core.recipe_check import load_recipe
from nightloom.core.recipes import Recipe
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.core.worker import run_in_worker
from nightloom.prompts.templates import Prompt, read_prompt
from nightloom.snapshots.verify import verify_snapshot
from nightloom.training.bases import describe_base


@dataclass(frozen=True, slots=True)
class Verified:
    """What is not as a blueprint says, a sentence each.

    Attributes:
        store: Inputs that are damaged or gone: nobody can run it.
        installation: What would make another result of it here.
        recipe: Where the recipe has moved on: it is compiled to another blueprint today.
    """

    store: list[str]
    installation: list[str]
    recipe: list[str]

    @property
    def is_sound(self) -> bool:
        """All is as the blueprint says."""
        return not (self.store or self.installation or self.recipe)


def verify_blueprint(store: ObjectStore, blueprint_id: str) -> Verified:
    """Recompute every digest that a blueprint names, and compare what is here with what it was compiled from.

    Raises:
        ManifestError: The blueprint itself is missing or damaged.
    """
    blueprint = store.load(Blueprint, blueprint_id)
    damaged = verify_inputs(store, blueprint.identity, verify_snapshot)
    described = None if damaged else run_in_worker("training.bases:run_describe", base=blueprint.identity.base)
    return Verified(
        store=damaged,
        installation=verify_installation(blueprint.identity, described, os.environ),
        recipe=list(_verify_recipe(store, blueprint)),
    )


def _verify_recipe(store: ObjectStore, blueprint: Blueprint) -> Iterator[str]:
    identity = blueprint.identity
    try:
        recipe = load_recipe(identity.recipe)
    except InputError as error:
        yield str(error)
        return
    yield from _verify_prompt(store, identity, recipe)
    yield from _verify_base(store, identity, recipe)
    names = [one.name for one in recipe.evaluate.sets]
    if names != [use.name for use in identity.eval_sets]:
        yield f"the recipe compares on {', '.join(names)}, not on {', '.join(use.name for use in identity.eval_sets)}"
        return
    try:
        prompt = store.load(Prompt, identity.task.prompt)
        eval_sets = [store.load(EvalSetManifest, use.evalset) for use in identity.eval_sets]
    except ManifestError:
        return  # told of the store
    # All but the recipe's own settings as the blueprint has it, so that they alone can differ.
    again = draft_blueprint(
        recipe,
        night=parse_night(blueprint.record.night),
        snapshot=identity.snapshot,
        base=identity.base,
        tokenizer=identity.tokenizer,
        template=identity.template,
        prompt=prompt,
        eval_sets=eval_sets,
    )
    changes = diff_blueprints(identity, again.identity)
    yield from (change.sentence for change in changes if change.group not in ("code", "packages"))


def _verify_prompt(store: ObjectStore, identity: BlueprintIdentity, recipe: Recipe) -> Iterator[str]:
    name = recipe.task.prompt
    try:
        found = read_prompt(get_settings().prompts_dir, name)
    except InputError as error:
        yield str(error)
        return
    if found.id == identity.task.prompt:
        return
    try:
        before = store.load(Prompt, identity.task.prompt).record.name
    except ManifestError:
        before = short(identity.task.prompt)
    if before == name:
        yield f"prompt {name} was edited; put its words back, and give the new ones a number of their own"
    else:
        yield f"the recipe asks with prompt {name}, not with {before}"


def _verify_base(store: ObjectStore, identity: BlueprintIdentity, recipe: Recipe) -> Iterator[str]:
    name = recipe.train.base
    try:
        found = describe_base(store, name, worker_packages())
    except InputError as error:
        yield str(error)
        return
    if found is None:
        yield f"base model {name} would be made anew by this code and these packages"
    elif (now := BaseModelManifest.id_of(found)) != identity.base:
        others = _compare(store, identity.base, found)
        yield f"base model {name} is {short(now)} now, not {short(identity.base)}{others}"


def _compare(store: ObjectStore, before: str, now: BaseModelIdentity) -> str:
    """Say which files of a base model are others."""
    try:
        old, new = (_by_path(one.files) for one in (store.load(BaseModelManifest, before).identity, now))
    except ManifestError:
        return ""  # told of the store
    others = [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)]
    return ": " + ", ".join(f"{path} {_tell_file(old.get(path), new.get(path))}" for path in others)


def _by_path(files: tuple[ModelFile, ...]) -> dict[str, str]:
    return {file.path: file.sha256 for file in files}


def _tell_file(old: str | None, new: str | None) -> str:
    if old is None:
        return "was added"
    return "is gone" if new is None else "is another"
