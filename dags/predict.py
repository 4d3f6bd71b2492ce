"""Predict: the champion predicts the rows of the night's batch.

**Goes in:** the recipe's batch of the night, and the champion.

**Comes out:** one result per row (succeeded, invalid_output, blocked, failed or expired) as JSONL in the format of
OpenAI's Batch API, the same answers in the recipe's table, and the asset `<recipe>/predictions` with the night as its
partition.

**Safe to run again?** Yes. Finished shards are reused, and the table's rows are replaced, not added.

**When it is red:** the failed task's last log line says what was wrong. Finished shards are kept: clear the failed task
to predict the rest. Until a first champion is promoted nothing is predicted, and the run is green.
"""

from airflow.sdk import DAG
from nightloom.orchestration.announce import announce
from nightloom.orchestration.dags import after, asset_of, dag_id_of, recipes_of, stage_arguments
from nightloom.orchestration.steps import GPU, mapped_step, step

for recipe in recipes_of("predict"):
    with DAG(
        dag_id_of(recipe.name, "predict"),
        schedule=after(asset_of(recipe, "verdict")),
        doc_md=__doc__,
        **stage_arguments(recipe, "predict"),
    ):
        plan = step("plan_shards")
        workers = step("list_workers")
        shards = mapped_step("predict_shards", "worker", workers, pool=GPU, plan_id=plan)
        predictions = step("commit_predictions", plan_id=plan)

        plan >> workers >> shards >> predictions >> announce(asset_of(recipe, "predictions"))
