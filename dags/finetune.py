"""Finetune: trains a candidate on the night's snapshot, and promotes it if it is good enough.

**Goes in:** the night's snapshot, and the current champion.

**Comes out:** a blueprint (stored before anything trains), an adapter for each trial, parity checks that the best one
is the same model in training, evaluation and batch (no training-serving skew), a verdict, the asset `<recipe>/verdict`
with the night as its partition, and `<recipe>/champion` if the champion changed.

**Safe to run again?** Yes. A blueprint determines the result: trained models and scores are reused, and the champion
changes at most once a night, never for an older night. With the id of a stored blueprint in the form, that blueprint is
trained and compared again, and no ref moves.

**Trials:** a recipe with several trials has a task for each, with a slot of the pool `gpu`. At each rung the trials are
ranked by their loss on the selection split, and the best continue. The best at the end is the candidate.

**When it is red:** the failed task's last log line says what was wrong. The champion is unchanged. Faults of store,
database or machine are retried twice, training seven times. Training resumes from its last checkpoint, also after a
kill when its task is cleared. A verdict that refuses the candidate is not a failure: the run is green, and the report
gives the reason. The same holds if training would exceed its budget.
"""

from airflow.sdk import DAG
from nightloom.orchestration.announce import announce, announce_champion
from nightloom.orchestration.dags import after, asset_of, count_rungs, dag_id_of, recipes_of, stage_arguments
from nightloom.orchestration.steps import GPU, TRAINING_RETRIES, mapped_step, step

for recipe in recipes_of("finetune"):
    with DAG(
        dag_id_of(recipe.name, "finetune"),
        schedule=after(asset_of(recipe, "snapshot")),
        doc_md=__doc__,
        **stage_arguments(recipe, "finetune"),
    ):
        stored_id = "{{ params.blueprint or '' }}"
        blueprint = step("compile_blueprint", stored_id=stored_id)
        survivors = step("list_trials", blueprint_id=blueprint)
        training = {"pool": GPU, "retries": TRAINING_RETRIES, "blueprint_id": blueprint}

        blueprint >> survivors
        for rung in range(count_rungs(recipe)):
            task_id = f"train_to_rung_{rung + 1}"
            trials = mapped_step("train_trial", "trial_no", survivors, task_id=task_id, rung=rung, **training)
            ranks = step("rank_trials", task_id=f"rank_rung_{rung + 1}", blueprint_id=blueprint, rung=rung)
            survivors >> trials >> ranks
            survivors = ranks
        trials = mapped_step("train_trial", "trial_no", survivors, **training)
        candidate = step("pick_candidate", blueprint_id=blueprint)
        parity = step("prove_parity", pool=GPU, blueprint_id=blueprint, candidate_id=candidate)
        verdict = step("compare_candidate", pool=GPU, blueprint_id=blueprint, candidate_id=candidate, parity_id=parity)
        promotion = step("promote_candidate", verdict_id=verdict, stored_id=stored_id)

        survivors >> trials >> candidate >> parity >> verdict >> promotion
        promotion >> announce_champion(asset_of(recipe, "champion"))
        promotion >> announce(asset_of(recipe, "verdict"))
