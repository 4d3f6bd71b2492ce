"""Chain: all steps of a night in one process, for `nightloom run`; Airflow runs the same steps as tasks."""

import logging
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.ids import BlueprintId
from nightloom.core.errors import ConflictError, FaultError, NightBusyError
from nightloom.core.nights import Stop, parse_night
from nightloom.core.stages import STAGES, STEPS, Stage, Step, unroll
from nightloom.registry.database import open_database
from nightloom.registry.night_lock import release_night_lock
from nightloom.registry.nights import StageOutcome, read_outcome
from nightloom.registry.store import open_store
from nightloom.trials.ranking import count_rungs

logger = logging.getLogger(__name__)

OnStep = Callable[[str, str], None]
"""Called with stage and step as each step begins."""

OnFailure = Callable[[Exception], None]
"""Called with the error of a failed stage."""

_OPENS = "open_night"
_POLL_S = 2.0


def run_night(
    recipe: str, night: str | None, on_step: OnStep, on_failure: OnFailure = lambda _: None
) -> list[StageOutcome]:
    """Run one night of a recipe and return the outcome of each stage.

    As in Airflow, later stages run even if an earlier one fails, so the report is always written. The registry holds
    the outcomes. While another night of the recipe runs, this one waits.

    Args:
        recipe: Name of the recipe.
        night: A date, or None for tonight.
        on_step: Called as each step begins.
        on_failure: Called with the error of a failed stage, and of a stage that another process runs at the same time.

    Raises:
        NightloomError: The night could not be opened, or its report could not be written.
    """
    on_step("prepare", _OPENS)
    opened: str = _run("prepare", _OPENS, recipe, night)
    for stage in STAGES[:-1]:
        try:
            run_steps(stage, recipe, opened, on_step)
        except Exception as error:  # its step has recorded it as the outcome of the stage
            on_failure(error)
    run_steps(STAGES[-1], recipe, opened, on_step)
    registry = open_database()
    found = (read_outcome(registry, recipe, parse_night(opened), stage) for stage in STAGES)
    outcomes = [outcome for outcome in found if outcome is not None]
    for outcome in outcomes:
        if outcome.status == "running":
            on_failure(_explain_other_run(outcome))
    return outcomes


def run_stage(recipe: str, night: str, stage: Stage, on_step: OnStep) -> StageOutcome:
    """Run one stage of an open night and return its outcome.

    Raises:
        NightloomError: The stage failed, or another process runs it at the same time.
    """
    registry, date = open_database(), parse_night(night)
    try:
        run_steps(stage, recipe, night, on_step)
    finally:
        release_night_lock(registry, recipe, date)
    outcome = read_outcome(registry, recipe, date, stage)
    if outcome is None:
        msg = f"{stage} of night {night} recorded no outcome; run it again"
        raise FaultError(msg)
    if outcome.status == "running":
        raise _explain_other_run(outcome)
    return outcome


def _explain_other_run(outcome: StageOutcome) -> ConflictError:
    """Return the error of a run whose stage another process has begun again since."""
    return ConflictError(
        f"another process runs {outcome.stage} of night {outcome.night} at the same time, so its outcome is not known "
        f"yet; see `nightloom night show {outcome.recipe} --night {outcome.night}` when that has ended"
    )


def run_steps(
    stage: Stage,
    recipe: str,
    night: str,
    on_step: OnStep,
    *,
    given: dict[str, Any] | None = None,
    first: str | None = None,
    last: str | None = None,
) -> dict[str, Any] | Stop:
    """Run the steps of a stage of an open night, and return their results by name, or the `Stop` of one of them.

    Args:
        stage: The stage.
        recipe: Name of the recipe.
        night: Date of the night.
        on_step: Called as each step begins.
        given: Arguments of the first step, such as `stored_id`, a blueprint to run instead of compiling one.
        first: First step to run, or None for the first step of the stage.
        last: Last step to run, or None for the last step of the stage.

    Raises:
        NightloomError: The stage failed.
    """
    made = dict(given or {})
    steps = [step for step in STEPS[stage] if step.name != _OPENS]
    names = [step.name for step in steps]
    begin = names.index(first) if first else 0
    end = names.index(last) + 1 if last else len(steps)
    for step, rung in unroll(steps[begin:end], lambda: _count_rungs(made["blueprint_id"])):
        if isinstance(stopped := _run_step(stage, step, rung, recipe, night, made, on_step), Stop):
            return stopped
    return made


def _run_step(
    stage: Stage, step: Step, rung: int | None, recipe: str, night: str, made: dict[str, Any], on_step: OnStep
) -> Stop | None:
    """Run a step once, or for each item of its list, and keep its result."""
    arguments = {name: made[name] for name in step.takes if name in made}
    if step.at_rungs and rung is not None:
        arguments["rung"] = rung
    items = made[step.each[0]] if step.each else [None]
    for item in items:
        on_step(stage, _describe_step(step, item, rung))
        each = {step.each[1]: item} if step.each else {}
        result = _run(stage, step.name, recipe, night, **arguments, **each)
        if isinstance(result, Stop):
            return result
        if step.makes:
            made[step.makes] = result
    return None


def _run(stage: Stage, name: str, recipe: str, night: str | None, **arguments: Any) -> Any:
    """Call a step, and wait while another night of the recipe runs."""
    function = getattr(import_module(f"nightloom.nightly.{stage}"), name)
    is_logged = False
    while True:
        try:
            return function(recipe, night, **arguments)
        except NightBusyError as error:
            if not is_logged:
                logger.info("%s", error)
            is_logged = True
            time.sleep(_POLL_S)


def _count_rungs(blueprint_id: BlueprintId) -> int:
    return count_rungs(open_store().load(Blueprint, blueprint_id).content)


def _describe_step(step: Step, item: object, rung: int | None) -> str:
    words = [step.name, *([] if item is None else [str(item)])]
    if rung is not None:
        words.append(f"{'to' if step.each else 'at'} rung {rung + 1}")
    return " ".join(words)
