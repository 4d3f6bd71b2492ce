import pytest
from nightloom.core.stages import STEPS, check_arguments, unroll


def test_training_repeats_at_each_rung():
    steps = [(step.name, rung) for step, rung in unroll(STEPS["finetune"], lambda: 2)]
    assert steps == [
        ("compile_blueprint", None),
        ("list_trials", None),
        ("train_trial", 0),
        ("rank_trials", 0),
        ("train_trial", 1),
        ("rank_trials", 1),
        ("train_trial", None),
        ("pick_candidate", None),
        ("prove_parity", None),
        ("compare_candidate", None),
        ("promote_candidate", None),
    ]


def test_step_inputs_are_made_before():
    given = {"stored_id", "opened_by"}
    for steps in STEPS.values():
        made = set(given)
        for step in steps:
            assert set(step.takes) <= made
            assert step.each is None or step.each[0] in made
            made |= {step.makes} - {None}


def test_misspelt_argument_is_refused():
    with pytest.raises(
        ValueError, match="step promote_candidate has no parameter storde; it has verdict_id, stored_id"
    ):
        check_arguments("promote_candidate", ["verdict_id", "storde"])


def test_misspelt_step_is_refused():
    with pytest.raises(ValueError, match="there is no step 'promote_candidat'; did you mean 'promote_candidate'"):
        check_arguments("promote_candidat", [])
