"""Report: what the night came to, on one page, written whatever it came to.

**Goes in:** the outcomes of the night's stages, its verdict and predictions, and the nights before it.

**Comes out:** one self-contained HTML page and the same facts as JSON, the asset `<recipe>/report` with the night as
its partition, and, when a stage failed, an alert to the recipe's team.

**Safe to run again?** Yes. The page is made anew from what is known; the newest one is shown.

**When it is red:** the failed task's last log line says what was wrong. A red `write_report` is mostly the object store
or the registry: `nightloom doctor` checks both. A red `send_alerts` means that the report is there and nobody was told.

**Where to read it:** the tab *Report* of every Dag run of the night, and the button on the task `write_report`.
"""

from airflow.sdk import DAG
from nightloom.orchestration.alerts import send_alerts
from nightloom.orchestration.announce import announce
from nightloom.orchestration.dags import asset_of, dag_id_of, recipes_of, stage_arguments, upon
from nightloom.orchestration.steps import step

for recipe in recipes_of("report"):
    with DAG(
        dag_id_of(recipe.name, "report"),
        schedule=upon(asset_of(recipe, "predictions")),
        doc_md=__doc__,
        **stage_arguments(recipe, "report"),
    ):
        report = step("write_report")

        report >> announce(asset_of(recipe, "report")) >> send_alerts()
