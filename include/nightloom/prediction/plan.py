"""Plan: the night's rows in shards, with everything that determines their results."""

from datetime import date

from nightloom.artifacts.fingerprints import PREDICTIONS
from nightloom.artifacts.frames import RECORDS, put_frame
from nightloom.artifacts.ids import RecordsId
from nightloom.artifacts.models import ModelRef, TaskSpec
from nightloom.artifacts.predictions import PredictionPlan, PredictionPlanContent
from nightloom.artifacts.reading import keep_newest, read_records
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.prediction.table import table_columns
from nightloom.processes.packages import worker_packages
from nightloom.recipes.schema import Predict, Recipe
from nightloom.scanners.registry import make_checks


def plan_shards(
    store: ObjectStore, recipe: Recipe, *, night: date, records_id: RecordsId, model: ModelRef, task: TaskSpec
) -> PredictionPlan:
    """Split the newest version of every row into shards, and publish them as the night's plan.

    Raises:
        InputError: The recipe has no `predict`, its table cannot hold the answer, or a scanner is missing.
    """
    settings = _require_predict(recipe)
    if settings.table:
        table_columns(task.field_order, settings.table)  # refuse a duplicate column before any work
    # Sorted, so that equal rows give equal shards and the same plan.
    rows = keep_newest(read_records(store, records_id)).sort("row_id")
    shards = tuple(put_frame(store, shard, RECORDS) for shard in rows.iter_slices(settings.shard_rows))
    content = PredictionPlanContent(
        recipe=recipe.name,
        night=night.isoformat(),
        model=model,
        task=task,
        max_new_tokens=settings.max_new_tokens,
        checks=make_checks(recipe.prepare),
        shards=shards if rows.height else (),
        rows=rows.height,
        code=PREDICTIONS.code(),
        packages=PREDICTIONS.versions(worker_packages()),
    )
    return store.publish(PredictionPlan(content=content))


def _require_predict(recipe: Recipe) -> Predict:
    if recipe.predict is None:
        msg = f"recipe {recipe.name} has no `predict`; add it, with the source of the rows to predict"
        raise InputError(msg)
    return recipe.predict
