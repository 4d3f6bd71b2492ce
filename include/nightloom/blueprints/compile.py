"""Compile: turn a recipe, a prepared night and a base model into a blueprint."""

import os
import platform
from collections.abc import Sequence
from datetime import date

from nightloom.artifacts.blueprints import Blueprint, BlueprintProvenance, BlueprintSpec, EvalSetUse
from nightloom.artifacts.data import EvalSetManifest, Preparation
from nightloom.artifacts.fingerprints import VERDICT
from nightloom.artifacts.ids import BaseId, BlueprintId, SnapshotId
from nightloom.artifacts.models import specify_task
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.results import ItemTokens
from nightloom.artifacts.training import Ranking
from nightloom.base_models.freeze import FrozenBase, freeze_for_task
from nightloom.blueprints.sampling import sample_trials
from nightloom.core.digests import code_digest
from nightloom.core.errors import InputError
from nightloom.core.nights import Stop
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.processes.packages import worker_packages
from nightloom.processes.parent import in_child
from nightloom.prompts.templates import read_prompt
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database
from nightloom.registry.members import list_newest
from nightloom.registry.nights import read_outcome, read_outcomes, require_night
from nightloom.rendering.item_tokens import identify_item_tokens, run_count
from nightloom.statistics.paired import minimum_detectable_effect
from nightloom.trials.ranking import count_rungs


def compile_recipe(store: ObjectStore, database: Database, recipe: Recipe, night: date) -> Blueprint | Stop:
    """Freeze the base model, compile a recipe for a prepared night, and store the blueprint.

    Raises:
        InputError: The recipe's prompt or base model cannot be used.
    """
    prepared = find_preparation(store, database, recipe.name, night)
    if isinstance(prepared, Stop):
        return prepared
    prompt = store.publish(read_prompt(get_settings().prompts_dir, recipe.task.prompt))
    frozen = freeze_for_task(store, recipe.train.base, specify_task(recipe.task, prompt.id))
    draft = draft_recipe(store, recipe, night, prepared, frozen)
    return publish_blueprint(store, draft, prompt)


def count_items(store: ObjectStore, spec: BlueprintSpec) -> list[ItemTokens]:
    """Return the tokens of each eval set's items, counted once in a child process; none for a dummy base model.

    Raises:
        InputError: The chat template refuses an item.
    """
    if spec.tokenizer is None:
        return []
    evalsets, packages = [use.evalset for use in spec.eval_sets], worker_packages()
    keys = [identify_item_tokens(spec.base, spec.task, evalset, packages) for evalset in evalsets]
    found = [store.find(ItemTokens, key) for key in keys]
    if all(found):
        return [counted for counted in found if counted]
    task = spec.task.model_dump(mode="json")
    ids = in_child(run_count)(base_id=spec.base, task=task, evalsets=evalsets)
    return [store.load(ItemTokens, one) for one in ids]


def draft_recipe(
    store: ObjectStore, recipe: Recipe, night: date, prepared: Preparation, frozen: FrozenBase
) -> Blueprint:
    """Return the blueprint of the current recipe on the data that a night prepared; store nothing.

    Raises:
        InputError: The night was refused, so there is nothing to train on.
    """
    if prepared.content.snapshot is None:
        msg = f"night {prepared.content.night} was refused and has no snapshot; choose another night"
        raise InputError(msg)
    return draft_blueprint(
        recipe,
        night=night,
        snapshot_id=prepared.content.snapshot,
        base_id=frozen["base"],
        tokenizer=frozen["tokenizer"],
        template=frozen["template"],
        prompt=read_prompt(get_settings().prompts_dir, recipe.task.prompt),
        eval_sets=[store.load(EvalSetManifest, evalset) for evalset in prepared.content.eval_sets],
    )


def find_preparation(store: ObjectStore, database: Database, recipe: str, night: date) -> Preparation | Stop:
    """Return the preparation of a night, or a `Stop` that says why there is nothing to train on."""
    prepared = read_outcome(database, recipe, night, "prepare")
    if prepared is None or prepared.status != "done" or prepared.manifest is None:
        why = prepared.message if prepared else f"night {night} was not prepared"
        return Stop("nothing_new", f"nothing to train on: {why}")
    return store.load(Preparation, prepared.manifest)


def find_prepared_night(database: Database, recipe: str, night: date | None) -> date:
    """Return the given night, or the latest prepared one if None is given.

    Raises:
        InputError: The night was never opened, or no night was prepared.
    """
    if night is not None:
        require_night(database, recipe, night)
        return night
    outcomes = read_outcomes(database, recipe, date.max, 60)
    found = next((one.night for one in outcomes if one.stage == "prepare" and one.status == "done"), None)
    if found is None:
        msg = f"no night of {recipe} has been prepared yet; prepare one with `nightloom run {recipe}`"
        raise InputError(msg)
    return found


def find_winner(store: ObjectStore, blueprint_id: BlueprintId) -> int | None:
    """Return the number of the winning trial, or None if several trials are not ranked yet."""
    spec = store.load(Blueprint, blueprint_id).content
    if ranked := store.find(Ranking, Ranking.Key(blueprint=blueprint_id, rung=count_rungs(spec))):
        return ranked.result.survivors[0]
    return 0 if len(spec.trials) == 1 else None


def list_newest_blueprints(store: ObjectStore, database: Database, recipe: str, most: int = 10) -> list[Blueprint]:
    """Return the last blueprints of a recipe that are still in the store, the newest last."""
    found: list[Blueprint] = []
    for member in list_newest(database, "blueprint", recipe):
        if len(found) == most:
            break
        if blueprint := store.load_if_there(Blueprint, member.manifest):
            found.append(blueprint)
    return found[::-1]


def publish_blueprint(store: ObjectStore, blueprint: Blueprint, prompt: Prompt) -> Blueprint:
    """Publish the prompt, then the blueprint. If nothing changed, this is the blueprint of the night before."""
    store.publish(prompt)
    return store.publish(blueprint)


def draft_blueprint(
    recipe: Recipe,
    *,
    night: date,
    snapshot_id: SnapshotId,
    base_id: BaseId,
    tokenizer: str | None = None,
    template: str | None = None,
    prompt: Prompt,
    eval_sets: Sequence[EvalSetManifest],
) -> Blueprint:
    """Return everything that determines the result of a night; publish nothing.

    Args:
        recipe: What the team wrote.
        night: Night for which the recipe is compiled: provenance, not content.
        snapshot_id: Training data.
        base_id: Base model.
        tokenizer: Digest of its tokenizer, or None if it has none.
        template: Digest of its chat template, or None if it has none.
        prompt: Prompt version that the recipe names.
        eval_sets: Frozen eval sets in the recipe's order; the first one decides.
    """
    packages = worker_packages()
    identity = BlueprintSpec(
        recipe=recipe.name,
        snapshot=snapshot_id,
        base=base_id,
        tokenizer=tokenizer,
        template=template,
        task=specify_task(recipe.task, prompt.id),
        trials=sample_trials(recipe.train),
        pruning=recipe.train.trials.pruning if recipe.train.trials else None,
        budget=recipe.train.budget,
        primary=recipe.task.primary,
        eval_sets=tuple(_plan_use(eval_set, recipe.gate.confidence) for eval_set in eval_sets),
        max_new_tokens=recipe.evaluate.max_new_tokens,
        linear_classifier=recipe.evaluate.linear_classifier,
        promote_on=recipe.gate.promote_on,
        margin=recipe.gate.margin,
        confidence=recipe.gate.confidence,
        code=installed_code(),
        packages=installed_versions(),
    )
    provenance = BlueprintProvenance(
        night=night.isoformat(),
        packages=packages,
        python=platform.python_version(),
        machine=describe_machine(),
    )
    return Blueprint(content=identity, provenance=provenance)


def installed_code() -> dict[str, str]:
    """Return the current code digest of each package of Nightloom that a blueprint names."""
    return {name: code_digest(name) for name in VERDICT.modules}


def installed_versions() -> dict[str, str]:
    """Return the installed versions of the libraries that a blueprint names, in the interpreter that trains."""
    return VERDICT.versions(worker_packages())


def describe_machine() -> str:
    """Return system, architecture and number of CPUs of this machine, as a blueprint records them."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"


def _plan_use(eval_set: EvalSetManifest, confidence: float) -> EvalSetUse:
    items = eval_set.content.items
    return EvalSetUse(
        name=eval_set.content.name,
        evalset=eval_set.id,
        items=items,
        minimum_detectable_effect=round(minimum_detectable_effect(items, confidence=confidence), 6),
    )
