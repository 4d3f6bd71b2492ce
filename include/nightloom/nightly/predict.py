"""Predict: the night's rows get answers from the champion."""

import logging

from nightloom.artifacts.models import Adapter, ModelRef
from nightloom.core.connections import resolve_connection
from nightloom.core.digests import short
from nightloom.core.nights import Stop, parse_night
from nightloom.core.store import open_store
from nightloom.nightly.prepare import get_night
from nightloom.nightly.stops import night_step
from nightloom.prediction.commit import commit_predictions as add_up
from nightloom.prediction.plan import plan_shards as cut_into_shards
from nightloom.prediction.run import run_predictions
from nightloom.prediction.table import write_predictions_table
from nightloom.processes.device_leases import on_device
from nightloom.recipes.check import load_recipe
from nightloom.registry.database import open_database
from nightloom.registry.erasures import read_erasures
from nightloom.registry.nights import end_stage, index_manifest
from nightloom.registry.refs import read_ref
from nightloom.sources.extract import extract_records

logger = logging.getLogger(__name__)


@night_step("predict", first=True)
def plan_shards(recipe: str, night: str) -> str | Stop:
    """Read the rows that wait for an answer at the night's cut, and cut them into shards."""
    settings, store, database = load_recipe(recipe), open_store(), open_database()
    if settings.predict is None:
        return Stop("nothing_new", "the recipe predicts nothing")
    champion = read_ref(database, recipe, "champion")
    if champion is None:
        return Stop("nothing_new", "no model has been promoted yet, so nothing is predicted")
    records = extract_records(
        store,
        settings.predict.source,
        settings.task.columns,
        {},
        night=get_night(recipe, night),
        window_days=settings.prepare.window_days,
        erased=read_erasures(database, recipe),
    )
    index_manifest(database, "records", records.id, recipe, parse_night(night))
    if not records.content.rows:
        return Stop("nothing_new", "no row waits for an answer")
    adapter = store.load(Adapter, champion)
    planned = cut_into_shards(
        store,
        settings,
        night=parse_night(night),
        records=records.id,
        model=ModelRef(base=adapter.content.base, adapter=champion),
        task=adapter.provenance.task,
    )
    index_manifest(database, "prediction_plan", planned.id, recipe, parse_night(night))
    logger.info("plan %s: %d rows in %d shards", short(planned.id), planned.content.rows, len(planned.content.shards))
    return planned.id


def list_workers(recipe: str) -> list[str]:
    """Give the names of the workers that share the shards of a recipe."""
    predict = load_recipe(recipe).predict
    return [str(number) for number in range(predict.workers if predict else 0)]


@night_step("predict")
def predict_shards(recipe: str, night: str, plan: str, worker: str) -> str | Stop:
    """Predict shards until none is free; give how many rows were done by this worker."""
    return str(on_device(run_predictions)(plan=plan, worker=f"{recipe}/{night}/{worker}"))


@night_step("predict")
def commit_predictions(recipe: str, night: str, plan: str) -> str | Stop:
    """Add the shards up, put the answers back into the table, and say what came of the batch."""
    settings, store, database = load_recipe(recipe), open_store(), open_database()
    predictions = add_up(store, plan)
    if settings.predict and settings.predict.table and settings.predict.table_connection:
        url = resolve_connection(settings.predict.table_connection)
        write_predictions_table(store, predictions.id, url, settings.predict.table)
    index_manifest(database, "predictions", predictions.id, recipe, parse_night(night))
    counts = ", ".join(f"{rows} {status}" for status, rows in predictions.content.counts.items() if rows)
    sentence = f"{predictions.content.rows} rows: {counts}"
    end_stage(database, recipe, parse_night(night), "predict", "done", sentence, predictions.id)
    return predictions.id
