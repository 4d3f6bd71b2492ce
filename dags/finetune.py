"""Finetune: the night's snapshot becomes a candidate, and the candidate becomes the champion or does not.

**Goes in:** the night's snapshot, and the champion that the nights before it left.

**Comes out:** a blueprint (stored before anything trains), an adapter a trial, a proof that the best one is the same
model in training, evaluation and batch, a verdict, the asset `<recipe>/verdict` with the night as its partition, and
`<recipe>/champion` when the champion changed.

**Safe to run again?** Yes. A blueprint determines the result: what was trained or scored is found and not done
twice, and the champion moves at most once a night, never for an older one. With the id of a stored blueprint in the
form, that one is trained and compared again, and no ref moves.

**Trials:** a recipe that asks for several has a task for each, one a slot of the pool `gpu`. At each rung all are
ranked by their loss on the selection split, and the best go on; the best at the end is the candidate.

**When it is red:** the failed task's last log line says what was wrong. The champion is as it was. Faults of store,
database or machine are tried again twice by themselves, in training seven times, which goes on from its last
checkpoint; so does one that was killed, when its task is cleared. A verdict that refuses the candidate is not a
failure: the run is green, and the report gives the reason. So it is when training would take more than its budget.
"""

from airflow.sdk import DAG
from nightloom.orchestration.announce import announce, announce_champion
from nightloom.orchestration.dags import asset_of, count_rungs, dag_id_of, recipes_of, stage_arguments, upon
from nightloom.orchestration.steps import GPU, TRAINING_RETRIES, mapped_step, step

for recipe in recipes_of("finetune"):
    with DAG(
        dag_id_of(recipe.name, "finetune"),
        schedule=upon(asset_of(recipe, "snapshot")),
        doc_md=__doc__,
        **stage_arguments(recipe, "finetune"),
    ):
        stored_id = "{{ params.blueprint or '' }}"
        blueprint = step("compile_blueprint", stored_id=stored_id)
        going_on = step("list_trials", blueprint_id=blueprint)
        training = {"pool": GPU, "retries": TRAINING_RETRIES, "blueprint_id": blueprint}

        blueprint >> going_on
        for rung in range(count_rungs(recipe)):
            task_id = f"train_to_rung_{rung + 1}"
            trials = mapped_step("train_trial", "trial_no", going_on, task_id=task_id, rung=rung, **training)
            ranks = step("rank_trials", task_id=f"rank_rung_{rung + 1}", blueprint_id=blueprint, rung=rung)
            going_on >> trials >> ranks
            going_on = ranks
        trials = mapped_step("train_trial", "trial_no", going_on, **training)
        candidate = step("pick_candidate", blueprint_id=blueprint)
        parity = step("prove_parity", pool=GPU, blueprint_id=blueprint, candidate_id=candidate)
        verdict = step("compare_candidate", pool=GPU, blueprint_id=blueprint, candidate_id=candidate, parity_id=parity)
        promotion = step("promote_candidate", verdict_id=verdict, stored_id=stored_id)

        going_on >> trials >> candidate >> parity >> verdict >> promotion
        promotion >> announce_champion(asset_of(recipe, "champion"))
        promotion >> announce(asset_of(recipe, "verdict"))
