"""Compile: a recipe, a snapshot and a base model become a blueprint."""

import os
import platform
from collections.abc import Sequence
from datetime import date

from nightloom.artifacts.blueprints import Blueprint, BlueprintIdentity, BlueprintRecord, EvalSetUse
from nightloom.artifacts.data import EvalSetManifest
from nightloom.artifacts.models import specify_task
from nightloom.blueprints.draw import draw_trials
from nightloom.core.digests import code_digest
from nightloom.core.packages import worker_packages
from nightloom.core.recipes import Recipe
from nightloom.core.store import ObjectStore
from nightloom.prompts.templates import Prompt
from nightloom.statistics.power import minimum_detectable_effect

# What turns rows into weights, weights into answers, and answers into a verdict. Packages that only move bytes
# (core, artifacts, registry) are left out: what they write is named by digest or schema version anyway.
CODE = (
    "nightloom.engines",
    "nightloom.evaluation",
    "nightloom.prompts",
    "nightloom.statistics",
    "nightloom.training",
)
PACKAGES = ("peft", "tokenizers", "torch", "transformers", "trl")


def publish_blueprint(store: ObjectStore, blueprint: Blueprint, prompt: Prompt) -> Blueprint:
    """Publish the prompt and then the blueprint; an unchanged night gives the blueprint of the night before."""
    store.publish(prompt)
    return store.publish(blueprint)


def draft_blueprint(
    recipe: Recipe,
    *,
    night: date,
    snapshot: str,
    base: str,
    tokenizer: str | None = None,
    template: str | None = None,
    prompt: Prompt,
    eval_sets: Sequence[EvalSetManifest],
) -> Blueprint:
    """Give all that determines the result of a night, and publish nothing yet.

    Args:
        recipe: What the team wrote.
        night: The night for which it is compiled; recorded, no part of the identity.
        snapshot: Training data.
        base: Base model.
        tokenizer: Digest of its tokenizer; none: it has none.
        template: Digest of its chat template.
        prompt: The prompt version that the recipe names.
        eval_sets: Frozen eval sets in the recipe's order; the first one decides.
    """
    packages = worker_packages()
    identity = BlueprintIdentity(
        recipe=recipe.name,
        snapshot=snapshot,
        base=base,
        tokenizer=tokenizer,
        template=template,
        task=specify_task(recipe.task, prompt.id),
        trials=draw_trials(recipe.train),
        pruning=recipe.train.trials.pruning if recipe.train.trials else None,
        budget=recipe.train.budget,
        primary=recipe.task.primary,
        eval_sets=tuple(_plan_use(eval_set, recipe.gate.confidence) for eval_set in eval_sets),
        max_new_tokens=recipe.evaluate.max_new_tokens,
        reference=recipe.evaluate.reference,
        promote_on=recipe.gate.promote_on,
        margin=recipe.gate.margin,
        confidence=recipe.gate.confidence,
        code=installed_code(),
        packages=installed_versions(),
    )
    record = BlueprintRecord(
        night=night.isoformat(),
        packages=packages,
        python=platform.python_version(),
        machine=describe_machine(),
    )
    return Blueprint(identity=identity, record=record)


def installed_code() -> dict[str, str]:
    """Give the digest of each of our packages that a blueprint names, as it is now."""
    return {name: code_digest(name) for name in CODE}


def installed_versions() -> dict[str, str]:
    """Give the versions of the packages that a blueprint names, of the interpreter that trains and generates."""
    packages = worker_packages()
    return {name: packages[name] for name in PACKAGES if name in packages}


def describe_machine() -> str:
    """Give what this machine is, as a blueprint's record tells it."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"


def _plan_use(eval_set: EvalSetManifest, confidence: float) -> EvalSetUse:
    items = eval_set.identity.items
    return EvalSetUse(
        name=eval_set.identity.name,
        evalset=eval_set.id,
        items=items,
        minimum_detectable_effect=round(minimum_detectable_effect(items, confidence=confidence), 6),
    )
