"""Finetune: train a candidate on the night's snapshot, compare it, and promote it if the gates pass."""

import logging
from collections.abc import Iterable
from getpass import getuser

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.ids import AdapterId, BlueprintId, ParityId, ScoresId, VerdictId
from nightloom.artifacts.models import Adapter, ModelRef, TaskSpec
from nightloom.artifacts.results import Parity, Role, Scores, ScoresKey, Verdict
from nightloom.artifacts.training import Trial, identify_trial
from nightloom.base_models.dummy import is_dummy
from nightloom.blueprints.compile import compile_recipe, count_items
from nightloom.blueprints.verify import open_stored, refuse_differences, verify_code
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.errors import DivergenceError, FaultError, InputError, OutOfBatchMemoryError
from nightloom.core.nights import Stop
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.evaluation.linear_classifier import identify_linear_classifier
from nightloom.evaluation.scoring import identify_scores
from nightloom.nightly.context import Night
from nightloom.nightly.steps import night_step
from nightloom.processes.device_leases import on_device
from nightloom.processes.packages import worker_packages
from nightloom.promotion.champions import CitationId, find_champion, read_task
from nightloom.promotion.parity import identify_parity
from nightloom.promotion.promote import hold_back, promote
from nightloom.promotion.verdict import decide
from nightloom.registry.store import open_store
from nightloom.registry.trials import finish_trial
from nightloom.rendering.item_tokens import describe_limits
from nightloom.trials.ranking import count_rungs, list_contenders, record_divergence
from nightloom.trials.ranking import rank_trials as rank_and_publish
from nightloom.trials.train import find_trained, run_trial

logger = logging.getLogger(__name__)


@night_step("finetune", first=True)
def compile_blueprint(night: Night, stored_id: BlueprintId | None = None) -> BlueprintId | Stop:
    """Compile and store the blueprint of the night before anything trains, or use a stored one.

    Args:
        night: The night.
        stored_id: Blueprint of this recipe to run instead of compiling one.

    Raises:
        InputError: The stored blueprint is of another recipe, or cannot run here; or no model could give any right
            answer within the recipe's `max_new_tokens`.
    """
    if stored_id:
        owner = open_stored(night.store, stored_id).content.recipe
        if owner != night.recipe.name:
            msg = f"blueprint {short(stored_id)} is of recipe {owner}; choose one of recipe {night.recipe.name}"
            raise InputError(msg)
        return stored_id
    blueprint = compile_recipe(night.store, night.registry, night.recipe, night.date)
    if isinstance(blueprint, Stop):
        return blueprint
    night.keep(blueprint.kind, blueprint.id)
    logger.info("blueprint %s: %s", short(blueprint.id), show_count(len(blueprint.content.trials), "trial"))
    _hold_against_limits(night, blueprint.content)
    return blueprint.id


@night_step("finetune")
def list_trials(night: Night, blueprint_id: BlueprintId) -> list[int]:
    """Return the numbers of the trials that a blueprint begins with.

    Raises:
        InputError: There are several trials, but no examples to rank them by.
    """
    return list_contenders(night.store, blueprint_id)


@night_step("finetune")
def train_trial(night: Night, blueprint_id: BlueprintId, trial_no: int, rung: int | None = None) -> str | None:
    """Train a trial to a rung or to its end, or reuse the cached result; return the id of the result.

    Returns None for a rung that the blueprint does not have, which happens after the recipe was edited. If one of
    several trials diverges, this is recorded and the others continue.

    Raises:
        InputError: Code or packages differ from the blueprint, for example after an upgrade.
        DivergenceError: The blueprint's only trial diverged.
    """
    planned = night.store.load(Blueprint, blueprint_id)
    if rung is not None and rung >= count_rungs(planned.content):
        return None
    refuse_differences(planned, verify_code(planned.content))
    try:
        reached = _train(night, blueprint_id, trial_no, rung)
    except DivergenceError as error:
        if len(planned.content.trials) == 1:
            raise
        logger.warning("trial %d of %d is dropped: %s", trial_no, len(planned.content.trials), error)
        return record_divergence(night.store, planned.content, trial_no, error).id
    if rung is None:
        trial_id = Trial.as_id(reached)
        finish_trial(night.registry, trial_id)
        night.keep("trial", trial_id)
        night.keep("adapter", night.store.load(Trial, trial_id).result.adapter)
    return reached


@night_step("finetune")
def rank_trials(night: Night, blueprint_id: BlueprintId, rung: int) -> list[int]:
    """Rank trials at a rung by their loss on the selection split, finish the others, and return the survivors.

    At a rung that the blueprint does not have, all trials survive.
    """
    spec = night.store.load(Blueprint, blueprint_id).content
    if rung >= count_rungs(spec):
        return list_contenders(night.store, blueprint_id, count_rungs(spec))
    ranking = rank_and_publish(night.store, blueprint_id, rung)
    ranked = {each.trial for each in ranking.result.ranks}
    _finish_trials(night, spec, ranked - set(ranking.result.survivors))
    return list(ranking.result.survivors)


@night_step("finetune")
def pick_candidate(night: Night, blueprint_id: BlueprintId) -> AdapterId:
    """Return the adapter of the best trial on the selection split."""
    spec = night.store.load(Blueprint, blueprint_id).content
    ranking = rank_and_publish(night.store, blueprint_id, count_rungs(spec))
    _finish_trials(night, spec, {each.trial for each in ranking.result.ranks})
    (winner,) = ranking.result.survivors
    trial = night.store.find(Trial, identify_trial(spec, winner))
    if trial is None:
        msg = f"trial {winner} of blueprint {short(blueprint_id)} ranks first but is missing; clear its training task"
        raise FaultError(msg)
    logger.info("candidate %s: trial %d of %d", short(trial.result.adapter), winner, len(spec.trials))
    return trial.result.adapter


@night_step("finetune")
def prove_parity(night: Night, blueprint_id: BlueprintId, candidate_id: AdapterId) -> ParityId | None:
    """Check the candidate for training-serving skew, and return the proof, or None if it has no weights."""
    if is_dummy(night.store.load(Adapter, candidate_id).content.files):
        return None
    spec = night.store.load(Blueprint, blueprint_id).content
    model = ModelRef(base=spec.base, adapter=candidate_id)
    key = identify_parity(model, spec.task, spec.max_new_tokens, spec.snapshot, worker_packages())
    if kept := night.store.find(Parity, key):
        logger.info("parity %s: reusing the cached result", short(kept.id))
        return kept.id
    return on_device(prove_model)(blueprint_id=blueprint_id, candidate_id=candidate_id)


@night_step("finetune")
def compare_candidate(
    night: Night, blueprint_id: BlueprintId, candidate_id: AdapterId, parity_id: ParityId | None
) -> VerdictId:
    """Score candidate, champion, baseline and linear classifier on the same items, and publish the verdict."""
    store = night.store
    # The champion before this night, so that running the night again compares with the same one.
    champion = find_champion(store, night.registry, night.recipe.name, night.date)
    champion_id = champion.adapter if champion else None
    asked = (blueprint_id, candidate_id, champion_id, champion.cites if champion else None)
    scored = _find_scores(night, *asked) or on_device(score_models)(*asked)
    verdict = decide(
        store,
        night=night.date,
        blueprint_id=blueprint_id,
        candidate_id=candidate_id,
        champion_id=champion_id,
        champion_task=champion.task if champion else None,
        parity_id=parity_id,
        scores=[(role, eval_set, store.load(Scores, scores_id)) for role, eval_set, scores_id in scored],
    )
    night.keep(verdict.kind, verdict.id)
    logger.info("verdict %s: %s", short(verdict.id), verdict.content.reason)
    return verdict.id


@night_step("finetune")
def promote_candidate(night: Night, verdict_id: VerdictId, stored_id: BlueprintId | None = None) -> VerdictId:
    """Promote the candidate if the verdict allows it, no later night has begun, and the blueprint was compiled tonight.

    A run of a stored blueprint moves no ref. If something prevents a promotion that the verdict allows, the stage is
    refused: a better candidate is left out.
    """
    decided = night.store.load(Verdict, verdict_id)
    if stored_id:
        promotion = hold_back(night.registry, decided, stored_id)
    else:
        promotion = promote(night.registry, decided, night=night.date, who=getuser())
    logger.info("%s", promotion.message)
    night.end("finetune", "refused" if promotion.is_blocked else "done", promotion.message, verdict_id)
    return verdict_id


def prove_model(blueprint_id: BlueprintId, candidate_id: AdapterId) -> ParityId:
    """Check a candidate for training-serving skew, and return the id of the proof: entry point of a child process."""
    from nightloom.promotion.parity import prove_parity
    from nightloom.rendering.encode import encode_snapshot

    store = open_store()
    spec = store.load(Blueprint, blueprint_id).content
    model = ModelRef(base=spec.base, adapter=candidate_id)
    return prove_parity(store, model, spec.task, spec.max_new_tokens, encode_snapshot(store, spec)).id


def score_models(
    blueprint_id: BlueprintId,
    candidate_id: AdapterId,
    champion_id: AdapterId | None,
    cites: CitationId | None,
) -> list[tuple[Role, str, ScoresId]]:
    """Score all models of a verdict, and return role, eval set and scores of each: entry point of a child process."""
    from nightloom.evaluation.linear_classifier import score_linear_classifier
    from nightloom.evaluation.scoring import score_model

    store = open_store()
    spec = store.load(Blueprint, blueprint_id).content
    models = _list_models(store, spec, candidate_id, champion_id, cites)
    scored: list[tuple[Role, str, ScoresId]] = []
    for use in spec.eval_sets:
        for role, model, task in models:
            scored.append((role, use.name, score_model(store, task, spec.max_new_tokens, model, use.evalset).id))
        if spec.linear_classifier:
            scores = score_linear_classifier(store, blueprint_id, use.evalset)
            scored.append(("linear_classifier", use.name, scores.id))
    return scored


def _hold_against_limits(night: Night, spec: BlueprintSpec) -> None:
    """Warn about right answers that the recipe's limits do not allow, before anything trains.

    Raises:
        InputError: No right answer of the deciding eval set is allowed.
    """
    counts = count_items(night.store, spec)
    predict = night.recipe.predict
    for number, (use, counted) in enumerate(zip(spec.eval_sets, counts, strict=bool(counts))):
        night.keep(counted.kind, counted.id)
        sentences = list(describe_limits(use.name, counted.result, spec.max_new_tokens, "evaluate.max_new_tokens"))
        if number == 0 and counted.result.count_longer(spec.max_new_tokens) == counted.result.items:
            msg = f"{sentences[0]}; raise it"
            raise InputError(msg)
        if predict:
            sentences += describe_limits(use.name, counted.result, predict.max_new_tokens, "predict.max_new_tokens")
        for sentence in sentences:
            logger.warning("%s", sentence)


def _find_scores(
    night: Night,
    blueprint_id: BlueprintId,
    candidate_id: AdapterId,
    champion_id: AdapterId | None,
    cites: CitationId | None,
) -> list[tuple[Role, str, ScoresId]] | None:
    """Return the cached scores of all models as `score_models` does, or None if some are missing."""
    store, packages = night.store, worker_packages()
    spec = store.load(Blueprint, blueprint_id).content
    models = _list_models(store, spec, candidate_id, champion_id, cites)
    keys: list[tuple[Role, str, ScoresKey]] = []
    for use in spec.eval_sets:
        for role, model, task in models:
            key = identify_scores(task, spec.max_new_tokens, model, use.evalset, packages)
            keys.append((role, use.name, key))
        if spec.linear_classifier:
            keys.append(("linear_classifier", use.name, identify_linear_classifier(spec, use.evalset, packages)))
    found = [(role, name, store.find(Scores, key)) for role, name, key in keys]
    kept = [(role, name, scores.id) for role, name, scores in found if scores]
    if len(kept) < len(found):
        return None
    logger.info("scores of blueprint %s: reusing all %d cached results", short(blueprint_id), len(kept))
    return kept


def _list_models(
    store: ObjectStore,
    spec: BlueprintSpec,
    candidate_id: AdapterId,
    champion_id: AdapterId | None,
    cites: CitationId | None,
) -> list[tuple[Role, ModelRef, TaskSpec]]:
    """Return role, model and task of each model of a verdict."""
    models: list[tuple[Role, ModelRef, TaskSpec]] = [
        ("baseline", ModelRef(base=spec.base), spec.task),
        ("candidate", ModelRef(base=spec.base, adapter=candidate_id), spec.task),
    ]
    if champion_id and cites:
        base = store.load(Adapter, champion_id).content.base
        models.append(("champion", ModelRef(base=base, adapter=champion_id), read_task(store, cites)))
    return models


def _train(night: Night, blueprint_id: BlueprintId, trial_no: int, rung: int | None) -> str:
    """Train a trial in child processes, and return the id of the result.

    If a batch does not fit into memory of one process, all processes start again with half of it.
    """
    if kept := find_trained(night.store, blueprint_id, trial_no, rung):
        return kept
    train, halvings = on_device(run_trial, processes=get_settings().processes), 0
    while True:
        try:
            return train(blueprint_id=blueprint_id, trial_no=trial_no, rung=rung, halvings=halvings)
        except OutOfBatchMemoryError as error:
            halvings += 1
            logger.warning("%s", error)


def _finish_trials(night: Night, spec: BlueprintSpec, numbers: Iterable[int]) -> None:
    for number in numbers:
        finish_trial(night.registry, Trial.id_of(identify_trial(spec, number)))
