"""Blueprint run: the steps of a night on a stored blueprint, outside Airflow and without changing the night."""

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
class BlueprintResult:
    """Result of running a blueprint.

    Attributes:
        trials: Number of a finished trial → its id.
        candidate: Winning adapter, or None if only one trial was run.
        verdict: Verdict on the candidate, or None if only one trial was run.
    """

    trials: dict[int, TrialId]
    candidate: AdapterId | None = None
    verdict: VerdictId | None = None


def run_blueprint(
    store: ObjectStore, blueprint_id: BlueprintId, on_step: OnStep, trial_no: int | None = None
) -> BlueprintResult:
    """Train, pick and compare as the blueprint's night does, with the same ids. No ref moves, no outcome is recorded.

    Args:
        store: Holds the blueprint.
        blueprint_id: Blueprint to run. Its candidate is compared with the champion of the night that it was first
            compiled for.
        on_step: Called with stage and step as each step begins.
        trial_no: The only trial to train, or None to train all and compare.

    Raises:
        InputError: Code, packages or environment differ from the blueprint, or it has no such trial.
        BudgetError: Training would exceed its budget.
        DivergenceError: The chosen trial diverged, or all trials did.
    """
    blueprint = open_stored(store, blueprint_id)
    recipe, night = blueprint.content.recipe, blueprint.provenance.night
    with without_outcome():
        if trial_no is not None:
            on_step("finetune", f"train_trial {trial_no}")
            result = finetune.train_trial(recipe, night, blueprint_id, trial_no)
            if isinstance(result, Stop):
                raise BudgetError(result.message)
            if lost := store.find(Divergence, identify_trial(blueprint.content, trial_no)):
                raise DivergenceError(lost.result.reason)
            return BlueprintResult(_list_finished(store, blueprint.content))
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
            raise BudgetError(made.message)
        return BlueprintResult(_list_finished(store, blueprint.content), made["candidate_id"], made["verdict_id"])


def _list_finished(store: ObjectStore, spec: BlueprintSpec) -> dict[int, TrialId]:
    found = ((number, store.find(Trial, identify_trial(spec, number))) for number in range(len(spec.trials)))
    return {number: trial.id for number, trial in found if trial}
