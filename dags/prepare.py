"""Prepare: the night's rows become a snapshot to train on.

**Goes in:** the rows that the recipe's source held at the night's cut (the day before, in the recipe's time zone).

**Comes out:** a snapshot in the object store, an outcome for every row (kept, repaired, merged, superseded or
quarantined, with the reason), and the asset `<recipe>/snapshot` with the night as its partition.

**Safe to run again?** Yes, at any time, for any night that has begun. The cut of a night is written down once, so the
same rows are read, and what is there already is not made twice.

**When it is red:** the failed task's last log line is one sentence that says what was wrong and what to do. The rest
of the night goes on without a new snapshot, and yesterday's champion goes on working. Mend the cause and trigger the
Dag for that night, or clear the failed task.

**By hand:** trigger with an empty form for tonight, with a date for that night. To fill in past nights, run a backfill
whose last moment is the end of the last night.
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
        night = step("open_night")
        records = step("extract_records")
        curated = step("curate_records", records_id=records)
        preparation = step("build_snapshot", curated_id=curated)

        night >> records >> curated >> preparation >> announce(asset_of(recipe, "snapshot"))
