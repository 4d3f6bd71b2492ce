"""Dags: recipes, arguments, schedules and assets that all Dags of a night share."""

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
        RetryRule(InputError, RetryAction.FAIL, reason="not retried: fix the input first"),
        RetryRule(AirflowTaskTimeout, RetryAction.FAIL, reason="not retried: the task would time out again"),
        RetryRule(OutOfMemoryError, RetryAction.FAIL, reason="not retried: the smallest batch did not fit"),
        RetryRule([FaultError, ConflictError], RetryAction.RETRY, reason="retried: an outside system failed"),
    ]
)

# A Dag that never ran knows only its next start. If its file is parsed just after that start and before the scheduler
# has acted on it, Airflow would skip the start. One that is late by less than this is still made.
_MISSED_START = timedelta(minutes=10)

# Less than a day, so that a task that hangs does not block the next night.
_LONGEST_TASK = timedelta(hours=12)


def recipes_of(stage: Stage) -> Iterator[Recipe]:
    """Return the valid recipes by name, or only the recipe of the Dag whose task is starting.

    Airflow parses the Dag file again at each start of a task.
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
    """Return the number of rungs at which a recipe's trials are ranked."""
    pruning = recipe.train.trials.pruning if recipe.train.trials else None
    return len(pruning.rungs) if pruning else 0


def has_recipe(name: str) -> bool:
    """Whether there is a valid recipe of that name."""
    return name in load_recipes()[0]


def refuse_broken_recipes() -> None:
    """Raise one error with all mistakes of all recipes, if there are any.

    Raises:
        RecipeError: At least one recipe is broken.
    """
    _, broken = load_recipes()
    if broken:
        listed = "\n".join(format_mistakes(Path(path), mistakes) for path, mistakes in broken.items())
        msg = f"{len(broken)} broken recipes have no Dags until they are fixed:\n{listed}"
        raise RecipeError(msg)


def dag_id_of(recipe: str, stage: Stage) -> str:
    """Return the id of the Dag of a recipe's stage."""
    return f"{recipe}__{stage}"


def asset_of(recipe: Recipe, name: str) -> Asset:
    """Return the asset that a stage emits. Its partitions are nights."""
    return Asset(f"{recipe.name}/{name}", group=recipe.name)


def nightly(recipe: Recipe) -> CronPartitionTimetable | None:
    """Return the timetable of the recipe's cron line, or None for a recipe whose data is not there yet.

    Partitions are dates in the recipe's time zone.
    """
    if recipe.missing_data:
        return None
    return CronPartitionTimetable(
        recipe.schedule,
        timezone=recipe.timezone,
        key_format="%Y-%m-%d",
        run_immediately=_MISSED_START,
    )


def after(asset: Asset) -> PartitionedAssetTimetable:
    """Return the timetable that starts a run for each night with an event of this asset."""
    return PartitionedAssetTimetable(assets=asset)


def stage_arguments(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    """Return the arguments of a stage's Dags, without schedule and runbook."""
    description = recipe.description or f"{stage} of {recipe.name}"
    if recipe.missing_data:
        description = f"Not scheduled: {recipe.missing_data}. {description}"
    arguments = common_arguments(recipe.owner, description)
    arguments["tags"] += [recipe.name, stage]
    arguments["params"] = {"night": _night_param(recipe)}
    if stage == "finetune":
        arguments["params"]["blueprint"] = _blueprint_param(recipe)
    arguments["access_control"] = {role: set(permissions) for role, permissions in recipe.access.items()} or None
    arguments["default_args"] |= {"recipe": recipe.name, "stage": stage, "timezone": recipe.timezone}
    return arguments


def common_arguments(owner: str, description: str) -> dict[str, Any]:
    """Return the arguments that all Dags of Nightloom share."""
    return {
        "description": description,
        "tags": ["nightloom"],
        # A committed recipe runs at once. A paused Dag would not catch up on the starts it missed.
        "is_paused_upon_creation": False,
        # One night at a time. Backfills ignore this limit: see nightloom.registry.night_lock.
        "max_active_runs": 1,
        "catchup": False,
        "default_args": {
            "owner": owner,
            "retries": RETRIES,
            # Doubled each time, so that the retries outlast an outage of a minute.
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
            f"A date in {recipe.timezone}, not after tonight. Leave empty for tonight. "
            "A repeated night reads the same rows. Only the latest night may move refs."
        ),
    )


def _blueprint_param(recipe: Recipe) -> Param:
    return Param(
        None,
        type=["null", "string"],
        # `$` alone accepts a line end after it, in Python but not in the browser.
        pattern=r"^[0-9a-f]{64}(?!\n)$",
        title="Blueprint",
        description_md=(
            f"Id of a stored blueprint of {recipe.name} to train and compare again. Leave empty to compile a new one "
            "from the recipe and the night's snapshot. A run of a stored blueprint moves no ref."
        ),
    )
