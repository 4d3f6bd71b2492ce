"""Running: a stored blueprint out of Airflow, by the steps of its night, beside that night."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from nightloom.artifacts.blueprints import Blueprint, BlueprintIdentity
from nightloom.artifacts.training import Trial, identify_trial
from nightloom.blueprints.verify import THREADS, verify_installation
from nightloom.core.digests import short
from nightloom.core.errors import BudgetError, InputError
from nightloom.core.store import ObjectStore
from nightloom.nightly import finetune
from nightloom.nightly.chain import compare_trials, train_trials
from nightloom.nightly.stops import Stop, without_outcome


@dataclass(frozen=True, slots=True)
class Ran:
    """What running a blueprint came to.

    Attributes:
        trials: Ids of the trials that came to their end, by their numbers.
        candidate: Adapter that won; none: one trial alone was run.
        verdict: Likewise.
    """

    trials: dict[int, str]
    candidate: str | None = None
    verdict: str | None = None


def run_blueprint(
    store: ObjectStore, blueprint_id: str, on_step: Callable[[str, str], None], trial: int | None = None
) -> Ran:
    """Train, pick and compare as the blueprint's night does, to the same ids; no ref moves, no outcome is written.

    Args:
        store: Where it lies.
        blueprint_id: What is run; its candidate is compared with the champion of the night it was compiled for first.
        on_step: Is told stage and step as each begins.
        trial: Train this one alone; none: all, and compare.

    Raises:
        InputError: Code, packages or environment are not those of the blueprint, or it has no such trial.
        BudgetError: Training would take more than its budget.
    """
    blueprint = store.load(Blueprint, blueprint_id)
    recipe, night = blueprint.identity.recipe, blueprint.record.night
    # The number of threads is a machine's own, as its kind is: it makes no run another one.
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    if differences := verify_installation(blueprint.identity, None, environment):
        # What it made would be kept under the name of what the blueprint says.
        msg = f"blueprint {short(blueprint_id)} cannot run here: {'; '.join(differences)}"
        raise InputError(msg)
    with without_outcome():
        if trial is not None:
            on_step("finetune", f"train_trial {trial}")
            _refuse_stop(finetune.train_trial(recipe, night, blueprint_id, trial))
            return Ran(_list_finished(store, blueprint.identity))
        _refuse_stop(train_trials(recipe, night, blueprint_id, on_step))
        candidate, verdict = compare_trials(recipe, night, blueprint_id, on_step)
        return Ran(_list_finished(store, blueprint.identity), candidate, verdict)


def _refuse_stop(result: object) -> None:
    if isinstance(result, Stop):
        raise BudgetError(result.sentence)


def _list_finished(store: ObjectStore, blueprint: BlueprintIdentity) -> dict[int, str]:
    found = ((number, store.find(Trial, identify_trial(blueprint, number))) for number in range(len(blueprint.trials)))
    return {number: trial.id for number, trial in found if trial}
