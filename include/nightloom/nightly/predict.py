"""Predict: answers of the champion for the night's rows."""

import logging
from dataclasses import replace

from nightloom.artifacts.ids import PredictionPlanId, PredictionsId
from nightloom.artifacts.models import Adapter, ModelRef
from nightloom.artifacts.predictions import PredictionsContent
from nightloom.core.connections import resolve_connection
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.nights import NightCut, Stop, compute_cut
from nightloom.nightly.context import Night
from nightloom.nightly.steps import night_step
from nightloom.prediction.commit import commit_predictions as add_up
from nightloom.prediction.plan import plan_shards as cut_into_shards
from nightloom.prediction.run import are_done, run_predictions
from nightloom.prediction.table import write_predictions_table
from nightloom.processes.device_leases import on_device
from nightloom.promotion.champions import find_champion
from nightloom.registry.cuts import explain_taken, open_cut
from nightloom.registry.erasures import read_erasures
from nightloom.sources.extract import extract_records

logger = logging.getLogger(__name__)


@night_step("predict", first=True)
def plan_shards(night: Night) -> PredictionPlanId | Stop:
    """Read the rows without an answer at the night's cut, and split them into shards."""
    recipe, store = night.recipe, night.store
    if recipe.predict is None:
        return Stop("nothing_new", "the recipe has no `predict` section")
    cut = _open_cut(night)
    # The present champion, not the one before the night: finetune may have promoted tonight's candidate.
    champion = find_champion(store, night.registry, recipe.name)
    if champion is None:
        return Stop("nothing_new", "no model is promoted yet, so there are no predictions")
    if taken := explain_taken(night.registry, "predict", cut):
        return Stop("nothing_new", taken)
    records = extract_records(
        store,
        recipe.predict.source,
        recipe.task.columns,
        {},
        night=cut,
        window_days=recipe.prepare.window_days,
        new_only=True,
        erased=read_erasures(night.registry, recipe.name),
    )
    night.keep(records.kind, records.id)
    if not records.content.rows:
        return Stop("nothing_new", "no rows to predict")
    adapter = store.load(Adapter, champion.adapter)
    plan = cut_into_shards(
        store,
        recipe,
        night=night.date,
        records_id=records.id,
        model=ModelRef(base=adapter.content.base, adapter=adapter.id),
        task=champion.task,
    )
    night.keep(plan.kind, plan.id)
    left_out = records.content.rows - plan.content.rows
    logger.info(
        "plan %s: %d rows in %d shards; %d older versions and deleted rows",
        short(plan.id),
        plan.content.rows,
        len(plan.content.shards),
        left_out,
    )
    return plan.id


def _open_cut(night: Night) -> NightCut:
    """Return the cut of this stage: it ends like that of prepare, and begins where the last predictions ended."""
    recipe = night.recipe
    first = compute_cut(recipe.name, night.date, recipe.timezone, recipe.schedule)
    cut = open_cut(night.registry, "predict", replace(first, cut_to=night.cut.cut_to))
    logger.info("night %s: rows from %s to %s", night, cut.cut_from, cut.cut_to)
    return cut


@night_step("predict")
def list_workers(night: Night) -> list[str]:
    """Return the names of the workers that share the shards of a plan."""
    predict = night.recipe.predict
    return [str(number) for number in range(predict.workers if predict else 0)]


@night_step("predict")
def predict_shards(night: Night, plan_id: PredictionPlanId, worker: str) -> str:
    """Predict shards until none is free; return the number of rows that this worker predicted."""
    if are_done(night.store, plan_id):
        logger.info("plan %s: all shards are done", short(plan_id))
        return "0"
    return str(on_device(run_predictions)(plan_id=plan_id, worker=f"{night.recipe.name}/{night}/{worker}"))


@night_step("predict")
def commit_predictions(night: Night, plan_id: PredictionPlanId) -> PredictionsId:
    """Combine the shards, write the answers into the recipe's table, and record the outcome."""
    predict = night.recipe.predict
    predictions = add_up(night.store, plan_id)
    if predict and predict.table and predict.table_connection:
        url = resolve_connection(predict.table_connection)
        write_predictions_table(night.store, predictions.id, url, predict.table)
    night.keep(predictions.kind, predictions.id)
    night.end("predict", "done", _summarise(predictions.content), predictions.id)
    return predictions.id


def _summarise(batch: PredictionsContent) -> str:
    counts = ", ".join(f"{rows} {status}" for status, rows in batch.counts.items() if rows)
    changed = {"redacted": batch.answers.redacted, "withheld": batch.answers.withheld}
    scanned = ", ".join(f"{answers} {how}" for how, answers in changed.items() if answers)
    return f"{show_count(batch.rows, 'row')}: {counts}" + (f"; answers: {scanned}" if scanned else "")
