"""Finetune: the night's snapshot becomes a candidate, and the candidate becomes the champion or does not.

**Goes in:** the night's snapshot, and the champion that the nights before it left.

**Comes out:** a blueprint (stored before anything trains), an adapter a trial, a verdict, the asset
`<recipe>/verdict` with the night as its partition, and `<recipe>/champion` when the champion changed.

**Safe to run again?** Yes. A blueprint determines the result: what was trained or scored is found and not done
twice, and the champion moves at most once a night, never for an older one.

**When it is red:** the failed task's last log line says what was wrong. The champion is as it was. Faults of store,
database or machine are tried again twice by themselves; a killed training goes on when its task is cleared. A
verdict that refuses the candidate is not a failure: the run is green, and the report gives the reason.
"""

from airflow.sdk import DAG
from nightloom.orchestration.announce import announce, announce_champion
from nightloom.orchestration.dags import asset_of, dag_id_of, recipes_of, stage_arguments, upon
from nightloom.orchestration.steps import GPU, mapped_step, step

for recipe in recipes_of("finetune"):
    with DAG(
        dag_id_of(recipe.name, "finetune"),
        schedule=upon(asset_of(recipe, "snapshot")),
        doc_md=__doc__,
        **stage_arguments(recipe, "finetune"),
    ):
        blueprint = step("compile_blueprint")
        numbers = step("list_trials", blueprint=blueprint)
        trials = mapped_step("train_trial", "trial", numbers, pool=GPU, blueprint=blueprint)
        candidate = step("pick_candidate", blueprint=blueprint, trials=trials)
        verdict = step("compare_candidate", pool=GPU, blueprint=blueprint, candidate=candidate)
        promotion = step("promote_candidate", verdict=verdict)

        blueprint >> numbers >> trials >> candidate >> verdict >> promotion
        promotion >> announce_champion(asset_of(recipe, "champion"))
        promotion >> announce(asset_of(recipe, "verdict"))
