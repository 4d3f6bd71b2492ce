"""Prepare: builds a snapshot for training from the night's rows.

**Goes in:** the rows of the recipe's source at the night's cut, which ends as the date of the night begins.

**Comes out:** a snapshot in the object store, an outcome for every row (kept, repaired, merged, superseded or
quarantined, with the reason), and the asset `<recipe>/snapshot` with the night as its partition.

**Safe to run again?** Yes, at any time, for any night that has started. The end of its cut is recorded, so the
same rows are read, and finished work is reused.

**When it is red:** the failed task's last log line says what was wrong and what to do. The night continues without a
new snapshot, and yesterday's champion stays in use. Fix the cause and trigger the Dag for that night, or clear the
failed task.

**By hand:** trigger with an empty form for tonight, or with a date for another night. For past nights, run a backfill
that ends at the end of the last night's day.
"""

from airflow.sdk import DAG
from nightloom.orchestration.announce import announce
from nightloom.orchestration.dags import asset_of, dag_id_of, nightly, recipes_of, stage_arguments
from nightloom.orchestration.steps import step

for recipe in recipes_of("prepare"):
    with DAG(
        dag_id_of(recipe.name, "prepare"),
        schedule=nightly(recipe),
        doc_md=__doc__,
        **stage_arguments(recipe, "prepare"),
    ):
        night = step("open_night", opened_by="{{ 'schedule' if dag_run.run_type == 'scheduled' else 'hand' }}")
        records = step("extract_records")
        curated = step("curate_records", records_id=records)
        preparation = step("build_snapshot", curated_id=curated)

        night >> records >> curated >> preparation >> announce(asset_of(recipe, "snapshot"))
