"""Running: a stored blueprint out of Airflow, by the steps of its night, beside that night."""

from dataclasses import dataclass

from nightloom.artifacts.blueprints import BlueprintSpec
from nightloom.artifacts.ids import AdapterId, BlueprintId, TrialId, VerdictId
from nightloom.artifacts.training import Divergence, Trial, identify_trial
from nightloom.blueprints.verify import open_stored
from nightloom.core.errors import BudgetError, DivergenceError
from nightloom.core.nights import Stop
from nightloom.core.store import ObjectStore
from nightloom.nightly import finetune
from nightloom.nightly.chain import OnStep, run_steps
from nightloom.nightly.steps import without_outcome


@dataclass(frozen=True, slots=True)
class Ran:
    """What running a blueprint came to.

    Attributes:
        trials: Ids of the trials that came to their end, by their numbers.
        candidate: Adapter that won; none: one trial alone was run.
        verdict: Likewise.
    """

    trials: dict[int, TrialId]
    candidate: AdapterId | None = None
    verdict: VerdictId | None = None


def run_blueprint(store: ObjectStore, blueprint_id: BlueprintId, on_step: OnStep, trial_no: int | None = None) -> Ran:
    """Train, pick and compare as the blueprint's night does, to the same ids; no ref moves, no outcome is written.

    Args:
        store: Where it lies.
        blueprint_id: What is run; its candidate is compared with the champion of the night it was compiled for first.
        on_step: Is told stage and step as each begins.
        trial_no: Train this one alone; none: all, and compare.

    Raises:
        InputError: Code, packages or environment are not those of the blueprint, or it has no such trial.
        BudgetError: Training would take more than its budget.
        DivergenceError: The trial that was chosen diverged, or all did.
    """
    blueprint = open_stored(store, blueprint_id)
    recipe, night = blueprint.content.recipe, blueprint.provenance.night
    with without_outcome():
        if trial_no is not None:
            on_step("finetune", f"train_trial {trial_no}")
            _refuse_stop(finetune.train_trial(recipe, night, blueprint_id, trial_no))
            if lost := store.find(Divergence, identify_trial(blueprint.content, trial_no)):
                raise DivergenceError(lost.result.reason)
            return Ran(_list_finished(store, blueprint.content))
        made = run_steps(
            "finetune",
            recipe,
            night,
            on_step,
            given={"blueprint_id": blueprint_id},
            first="list_trials",
            last="compare_candidate",
        )
        if isinstance(made, Stop):
            raise BudgetError(made.sentence)
        return Ran(_list_finished(store, blueprint.content), made["candidate_id"], made["verdict_id"])


def _refuse_stop(result: object) -> None:
    if isinstance(result, Stop):
        raise BudgetError(result.sentence)


def _list_finished(store: ObjectStore, spec: BlueprintSpec) -> dict[int, TrialId]:
    found = ((number, store.find(Trial, identify_trial(spec, number))) for number in range(len(spec.trials)))
    return {number: trial.id for number, trial in found if trial}
