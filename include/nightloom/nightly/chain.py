"""The whole night in one process, as `nightloom run` has it: the steps that Airflow runs as tasks, in their order."""

from collections.abc import Callable
from datetime import date

from nightloom.artifacts.blueprints import Blueprint
from nightloom.core.errors import FaultError
from nightloom.core.nights import Stop, parse_night
from nightloom.core.store import open_store
from nightloom.nightly import finetune, predict, prepare, report
from nightloom.registry.database import open_database
from nightloom.registry.nights import STAGES, Stage, StageOutcome, read_outcome
from nightloom.trials.ranking import count_rungs

OnStep = Callable[[str, str], None]
"""Is told stage and step as each begins."""

OnFailure = Callable[[Exception], None]
"""Is told why a stage failed."""


def run_night(
    recipe: str, night: str | None, on_step: OnStep, on_failure: OnFailure = lambda _: None
) -> list[StageOutcome]:
    """Run one night of a recipe and give what each stage came to.

    A stage that fails does not keep the later ones from running, just as in Airflow: the report is always written.
    The registry holds the outcomes.

    Args:
        recipe: Name of the recipe.
        night: A date; none: tonight.
        on_step: Is told of each step.
        on_failure: Is told why a stage failed.

    Raises:
        NightloomError: The night could not be opened, or its report could not be written.
    """
    on_step("prepare", "open_night")
    opened = prepare.open_night(recipe, night)
    for run_stage in (_prepare, run_finetune, _predict):
        try:
            run_stage(recipe, opened, on_step)
        except Exception as error:  # written down as the stage's outcome by its step, whatever it is
            on_failure(error)
    _report(recipe, opened, on_step)
    database = open_database()
    outcomes = (read_outcome(database, recipe, date.fromisoformat(opened), stage) for stage in STAGES)
    return [outcome for outcome in outcomes if outcome is not None]


def run_stage(recipe: str, night: str, stage: Stage, on_step: OnStep) -> StageOutcome:
    """Run one stage of a night that was opened, and give what it came to.

    Raises:
        NightloomError: The stage failed.
    """
    runners = {"prepare": _prepare, "finetune": run_finetune, "predict": _predict, "report": _report}
    runners[stage](recipe, night, on_step)
    outcome = read_outcome(open_database(), recipe, parse_night(night), stage)
    if outcome is None:
        msg = f"{stage} of night {night} left no outcome; run it again"
        raise FaultError(msg)
    return outcome


def _prepare(recipe: str, night: str, on_step: OnStep) -> None:
    on_step("prepare", "extract_records")
    records = prepare.extract_records(recipe, night)
    if isinstance(records, Stop):
        return
    on_step("prepare", "curate_records")
    curated = prepare.curate_records(recipe, night, records)
    if isinstance(curated, Stop):
        return
    on_step("prepare", "build_snapshot")
    prepare.build_snapshot(recipe, night, curated)


def run_finetune(recipe: str, night: str, on_step: OnStep, stored: str | None = None) -> None:
    """Run the finetune stage of a night that was opened; `stored` names a blueprint to run instead of compiling one.

    Raises:
        NightloomError: The stage failed.
    """
    on_step("finetune", "compile_blueprint")
    blueprint = finetune.compile_blueprint(recipe, night, stored)
    if isinstance(blueprint, Stop) or train_trials(recipe, night, blueprint, on_step):
        return
    _, verdict = compare_trials(recipe, night, blueprint, on_step)
    on_step("finetune", "promote_candidate")
    finetune.promote_candidate(recipe, night, verdict, stored)


def train_trials(recipe: str, night: str, blueprint: str, on_step: OnStep) -> Stop | None:
    """Train to each rung and then to the end those trials that go on; give what stopped them, if anything did."""
    going_on = finetune.list_trials(recipe, night, blueprint)
    for rung in (*range(count_rungs(open_store().load(Blueprint, blueprint).content)), None):
        for trial in going_on:
            on_step("finetune", f"train_trial {trial}" if rung is None else f"train_trial {trial} to rung {rung + 1}")
            reached = finetune.train_trial(recipe, night, blueprint, trial, rung)
            if isinstance(reached, Stop):
                return reached
        if rung is not None:
            on_step("finetune", f"rank_trials at rung {rung + 1}")
            going_on = finetune.rank_trials(recipe, night, blueprint, rung)
    return None


def compare_trials(recipe: str, night: str, blueprint: str, on_step: OnStep) -> tuple[str, str]:
    """Pick the candidate of the trials that were trained, and compare it; give adapter and verdict."""
    on_step("finetune", "pick_candidate")
    candidate = str(finetune.pick_candidate(recipe, night, blueprint))
    on_step("finetune", "prove_parity")
    parity = finetune.prove_parity(recipe, night, blueprint, candidate)
    on_step("finetune", "compare_candidate")
    return candidate, str(finetune.compare_candidate(recipe, night, blueprint, candidate, parity))


def _predict(recipe: str, night: str, on_step: OnStep) -> None:
    on_step("predict", "plan_shards")
    plan = predict.plan_shards(recipe, night)
    if isinstance(plan, Stop):
        return
    on_step("predict", "predict_shards")
    predict.predict_shards(recipe, night, plan, "0")
    on_step("predict", "commit_predictions")
    predict.commit_predictions(recipe, night, plan)


def _report(recipe: str, night: str, on_step: OnStep) -> None:
    on_step("report", "write_report")
    report.write_report(recipe, night)
