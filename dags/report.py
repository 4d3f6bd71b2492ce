"""Report: writes the night's report as one page, whatever the outcome.

**Goes in:** the outcomes of the night's stages, its verdict and predictions, and earlier nights.

**Comes out:** one self-contained HTML page and the same data as JSON, the asset `<recipe>/report` with the night as its
partition, and an alert to the recipe's team if a stage failed.

**Safe to run again?** Yes. The page is written again from what is known. The newest page is shown.

**When it is red:** the failed task's last log line says what was wrong. If `write_report` is red, the object store or
the registry is usually down: `nightloom doctor` checks both. If `send_alerts` is red, the report exists but the alert
was not sent.

**Where to read it:** the tab *Report* of every Dag run of the night, or the button on the task `write_report`.
"""

from airflow.sdk import DAG
from nightloom.orchestration.alerts import send_alerts
from nightloom.orchestration.announce import announce
from nightloom.orchestration.dags import after, asset_of, dag_id_of, recipes_of, stage_arguments
from nightloom.orchestration.steps import step

for recipe in recipes_of("report"):
    with DAG(
        dag_id_of(recipe.name, "report"),
        schedule=after(asset_of(recipe, "predictions")),
        doc_md=__doc__,
        **stage_arguments(recipe, "report"),
    ):
        report = step("write_report")

        report >> announce(asset_of(recipe, "report")) >> send_alerts()
