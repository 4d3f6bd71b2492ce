"""Dags: what every Dag of the night has in common: its recipes, its arguments, its schedule and its assets."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import (
    Asset,
    CronPartitionTimetable,
    ExceptionRetryPolicy,
    Param,
    PartitionedAssetTimetable,
    RetryAction,
    RetryRule,
    get_parsing_context,
)
from airflow.sdk.exceptions import AirflowTaskTimeout

from nightloom.core.errors import ConflictError, FaultError, InputError, OutOfMemoryError, RecipeError
from nightloom.core.stages import Stage
from nightloom.orchestration.steps import RETRIES
from nightloom.recipes.check import format_mistakes, load_recipe, load_recipes
from nightloom.recipes.schema import Recipe

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(InputError, RetryAction.FAIL, reason="a person has to mend it: trying again cannot help"),
        RetryRule(AirflowTaskTimeout, RetryAction.FAIL, reason="it took too long: a second try would too"),
        RetryRule(
            OutOfMemoryError, RetryAction.FAIL, reason="smaller batches were tried: the same would not fit again"
        ),
        RetryRule(
            [FaultError, ConflictError], RetryAction.RETRY, reason="something outside failed: trying again may help"
        ),
    ]
)

# A Dag that never ran knows only the next start. If its file is parsed just when that has come, and before the
# scheduler has looked, the start would be forgotten: one that is so little late is still made.
_MISSED_START = timedelta(minutes=10)

# Less than a day: what hangs must not keep the next night from beginning.
_LONGEST_TASK = timedelta(hours=12)


def recipes_of(stage: Stage) -> Iterator[Recipe]:
    """Return the sound recipes, by name; where Airflow runs a task of one Dag, that Dag's alone.

    Every start of a task parses its Dag file again.
    """
    wanted = get_parsing_context().dag_id
    if wanted is None:
        yield from load_recipes()[0].values()
        return
    name = wanted.removesuffix(dag_id_of("", stage))
    if name != wanted:
        with suppress(RecipeError):
            yield load_recipe(name)


def count_rungs(recipe: Recipe) -> int:
    """Return at how many rungs of their training the trials of a recipe are ranked."""
    pruning = recipe.train.trials.pruning if recipe.train.trials else None
    return len(pruning.rungs) if pruning else 0


def has_recipe(name: str) -> bool:
    """Whether there is a sound recipe of that name."""
    return name in load_recipes()[0]


def refuse_broken_recipes() -> None:
    """Say all that is wrong with the recipes, if anything is.

    Raises:
        RecipeError: A recipe is broken; every mistake of every one is listed.
    """
    _, broken = load_recipes()
    if broken:
        listed = "\n".join(format_mistakes(Path(path), mistakes) for path, mistakes in broken.items())
        msg = f"{len(broken)} broken recipes have no Dags until they are corrected:\n{listed}"
        raise RecipeError(msg)


def dag_id_of(recipe: str, stage: Stage) -> str:
    """Return the id of the Dag of a recipe's stage."""
    return f"{recipe}__{stage}"


def asset_of(recipe: Recipe, name: str) -> Asset:
    """Return the asset that a stage leaves; its partitions are nights."""
    return Asset(f"{recipe.name}/{name}", group=recipe.name)


def nightly(recipe: Recipe) -> CronPartitionTimetable:
    """Begin by the recipe's cron line; the partition is the date in the recipe's time zone."""
    return CronPartitionTimetable(
        recipe.schedule,
        timezone=recipe.timezone,
        key_format="%Y-%m-%d",
        run_immediately=_MISSED_START,
    )


def upon(asset: Asset) -> PartitionedAssetTimetable:
    """Begin for each night of which an earlier stage has left this asset."""
    return PartitionedAssetTimetable(assets=asset)


def stage_arguments(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    """Return the arguments that the Dags of a stage share, beside schedule and runbook."""
    arguments = common_arguments(recipe.owner, recipe.description or f"{stage} of {recipe.name}")
    arguments["tags"] += [recipe.name, stage]
    arguments["params"] = {"night": _night_param(recipe)}
    if stage == "finetune":
        arguments["params"]["blueprint"] = _blueprint_param(recipe)
    arguments["access_control"] = {role: set(permissions) for role, permissions in recipe.access.items()} or None
    arguments["default_args"] |= {"recipe": recipe.name, "stage": stage, "timezone": recipe.timezone}
    return arguments


def common_arguments(owner: str, description: str) -> dict[str, Any]:
    """Return the arguments that all of our Dags share."""
    return {
        "description": description,
        "tags": ["nightloom"],
        # Committing a recipe puts it to work; and what a paused Dag misses does not start it later.
        "is_paused_upon_creation": False,
        # One night after the other. It does not bind backfills: see nightloom.registry.night_lock.
        "max_active_runs": 1,
        "catchup": False,
        "default_args": {
            "owner": owner,
            "retries": RETRIES,
            # Doubled each time: what is down for a minute is not asked for the last time after ten seconds.
            "retry_delay": timedelta(seconds=10),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=10),
            "retry_policy": RETRY_POLICY,
            "execution_timeout": _LONGEST_TASK,
        },
    }


def _night_param(recipe: Recipe) -> Param:
    return Param(
        None,
        type=["null", "string"],
        format="date",
        title="Night",
        description_md=(
            f"A date in {recipe.timezone}: its cut is the day before. Empty: tonight. "
            "Running a night again reads the same rows; only the latest night may move a ref."
        ),
    )


def _blueprint_param(recipe: Recipe) -> Param:
    return Param(
        None,
        type=["null", "string"],
        pattern="^[0-9a-f]{64}$",
        title="Blueprint",
        description_md=(
            f"The id of a blueprint of {recipe.name} that is stored, to train and compare it again. Empty: one is "
            "compiled from the recipe and the night's snapshot. A run of a stored one moves no ref."
        ),
    )
