"""Finetune: the night's snapshot becomes a candidate, and the candidate champion or not."""

import logging
from collections.abc import Sequence
from getpass import getuser

from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.data import EvalSetManifest, Preparation
from nightloom.artifacts.models import Adapter, ModelRef, TaskSpec
from nightloom.artifacts.results import Scores, Verdict
from nightloom.artifacts.training import Trial
from nightloom.blueprints.compile import compile_blueprint as compile_and_publish
from nightloom.core.digests import short
from nightloom.core.nights import parse_night
from nightloom.core.recipe_check import load_recipe
from nightloom.core.settings import get_settings
from nightloom.core.store import open_store
from nightloom.core.worker import run_in_worker
from nightloom.evaluation.verdict import Role, decide
from nightloom.nightly.stops import Stop, night_step
from nightloom.promotion.promote import promote
from nightloom.prompts.templates import read_prompt
from nightloom.registry.database import open_database
from nightloom.registry.nights import end_stage, index_manifest, read_outcome
from nightloom.registry.refs import read_ref_before

logger = logging.getLogger(__name__)


@night_step("finetune", first=True)
def compile_blueprint(recipe: str, night: str) -> str | Stop:
    """Pin all that training and comparing will use, and store it before anything trains."""
    database, store = open_database(), open_store()
    prepared = read_outcome(database, recipe, parse_night(night), "prepare")
    if prepared is None or prepared.status != "done" or prepared.manifest is None:
        why = prepared.sentence if prepared else f"night {night} was not prepared"
        return Stop("nothing_new", f"nothing to train on: {why}")
    preparation = store.load(Preparation, prepared.manifest).identity
    settings = load_recipe(recipe)
    blueprint = compile_and_publish(
        store,
        settings,
        night=parse_night(night),
        snapshot=preparation.snapshot,
        **run_in_worker("training.bases:run_freeze", base=settings.train.base),
        prompt=read_prompt(get_settings().prompts_dir, settings.task.prompt),
        eval_sets=[store.load(EvalSetManifest, evalset) for evalset in preparation.eval_sets],
    )
    index_manifest(database, "blueprint", blueprint.id, recipe, parse_night(night))
    logger.info("blueprint %s: %d trial(s)", short(blueprint.id), len(blueprint.identity.trials))
    return blueprint.id


def list_trials(blueprint: str) -> list[int]:
    """Give the numbers of a blueprint's trials."""
    return list(range(len(open_store().load(Blueprint, blueprint).identity.trials)))


@night_step("finetune")
def train_trial(recipe: str, night: str, blueprint: str, trial: int) -> str | Stop:
    """Train one trial of a blueprint, or find what it gave before."""
    processes = get_settings().processes
    trained: str = run_in_worker("training.trials:run_trial", processes=processes, blueprint=blueprint, trial=trial)
    store, database = open_store(), open_database()
    index_manifest(database, "trial", trained, recipe, parse_night(night))
    index_manifest(database, "adapter", store.load(Trial, trained).record.adapter, recipe, parse_night(night))
    return trained


@night_step("finetune")
def pick_candidate(recipe: str, night: str, blueprint: str, trials: Sequence[str]) -> str | Stop:
    """Give the adapter of the trial that is best on the selection split."""
    return open_store().load(Trial, trials[0]).record.adapter


@night_step("finetune")
def compare_candidate(recipe: str, night: str, blueprint: str, candidate: str) -> str | Stop:
    """Score candidate, champion, baseline and reference on the same items, and decide."""
    store, database = open_store(), open_database()
    # What the nights before it left, so that running a night again decides on the same ground.
    champion = read_ref_before(database, recipe, "champion", parse_night(night))
    scored = run_in_worker(
        "nightly.finetune:score_models",
        blueprint=blueprint,
        candidate=candidate,
        champion=champion,
        reference=load_recipe(recipe).evaluate.reference,
    )
    verdict = decide(
        store,
        night=parse_night(night),
        blueprint_id=blueprint,
        candidate=candidate,
        champion=champion,
        parity=None,
        scores=[(role, eval_set, store.load(Scores, scores)) for role, eval_set, scores in scored],
    )
    index_manifest(database, "verdict", verdict.id, recipe, parse_night(night))
    logger.info("verdict %s: %s", short(verdict.id), verdict.identity.reason)
    return verdict.id


@night_step("finetune")
def promote_candidate(recipe: str, night: str, verdict: str) -> str | Stop:
    """Make the candidate the champion if the verdict says so and no later night has begun."""
    database, store = open_database(), open_store()
    promotion = promote(database, store.load(Verdict, verdict), night=parse_night(night), who=getuser())
    logger.info("%s", promotion.sentence)
    end_stage(database, recipe, parse_night(night), "finetune", "done", promotion.sentence, verdict)
    return verdict


def score_models(
    blueprint: str, candidate: str, champion: str | None, *, reference: bool
) -> list[tuple[Role, str, str]]:
    """Score all models of a verdict in one process: the step of a worker. Gives role, eval set and scores."""
    from nightloom.evaluation.reference import score_reference
    from nightloom.evaluation.scoring import score_model

    store = open_store()
    identity = store.load(Blueprint, blueprint).identity
    asked = (identity.task, identity.max_new_tokens)
    models: list[tuple[Role, ModelRef, tuple[TaskSpec, int]]] = [
        ("baseline", ModelRef(base=identity.base), asked),
        ("candidate", ModelRef(base=identity.base, adapter=candidate), asked),
    ]
    if champion:
        adapter = store.load(Adapter, champion)
        # A champion is asked as it is served: with the prompt that it was trained by.
        as_served = (adapter.record.task, adapter.record.max_new_tokens)
        models.append(("champion", ModelRef(base=adapter.identity.base, adapter=champion), as_served))
    scored: list[tuple[Role, str, str]] = []
    for eval_set in identity.eval_sets:
        for role, model, (task, max_new_tokens) in models:
            scores = score_model(store, task, max_new_tokens, model, eval_set.evalset)
            scored.append((role, eval_set.name, scores.id))
        if reference:
            scored.append(("reference", eval_set.name, score_reference(store, blueprint, eval_set.evalset).id))
    return scored
