"""Predict: the rows that wait for an answer at the night's cut get one from the champion.

**Goes in:** the recipe's batch of the night, and the champion.

**Comes out:** one result a row (succeeded, invalid_output, blocked, failed or expired) as JSONL in the form of
OpenAI's batches, the same answers in the recipe's table, and the asset `<recipe>/predictions` with the night as its
partition.

**Safe to run again?** Yes. A shard that is done is not done twice, and the table's rows are replaced, not added to.

**When it is red:** the failed task's last log line says what was wrong. Shards that were done are kept: clear the
failed task to do the rest. Until somebody has been promoted there is nothing to predict with, and the run is green.
"""

from airflow.sdk import DAG
from nightloom.orchestration.announce import announce
from nightloom.orchestration.dags import asset_of, dag_id_of, recipes_of, stage_arguments, upon
from nightloom.orchestration.steps import GPU, mapped_step, step

for recipe in recipes_of("predict"):
    with DAG(
        dag_id_of(recipe.name, "predict"),
        schedule=upon(asset_of(recipe, "verdict")),
        doc_md=__doc__,
        **stage_arguments(recipe, "predict"),
    ):
        plan = step("plan_shards")
        workers = step("list_workers")
        shards = mapped_step("predict_shards", "worker", workers, pool=GPU, plan_id=plan)
        predictions = step("commit_predictions", plan_id=plan)

        plan >> workers >> shards >> predictions >> announce(asset_of(recipe, "predictions"))
