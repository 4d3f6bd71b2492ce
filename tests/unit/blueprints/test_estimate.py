"""Training time is estimated from earlier trials and compared with the budget."""

from dataclasses import replace

import pytest
from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.models import TaskSpec
from nightloom.artifacts.training import Trial, TrialKey, TrialResult
from nightloom.blueprints.estimate import (
    Estimate,
    add_estimates,
    compare_with_budget,
    count_epochs,
    count_trainings,
    estimate_trial,
)
from nightloom.recipes.training import Budget, Pruning

DEFAULTS = {"num_train_epochs": 3, "per_device_train_batch_size": 4}
MINUTES = Estimate(seconds=600, low=500, high=700, device="cpu", trials=3)


def make_plan(**settings):
    return TrialPlan(trainer="trl", method="lora", lora={}, settings=settings, seed=1)


def make_trial(speed, device="cpu", plan=None, tokens=1000, examples=100):
    return Trial(
        key=TrialKey(
            snapshot="1" * 64,
            base="b" * 64,
            task=TaskSpec(prompt="c" * 64, output="json", answer={"team": None}, field_order=("team",)),
            plan=plan or make_plan(),
            code={},
            packages={},
        ),
        result=TrialResult(
            adapter="a" * 64,
            steps=1,
            kept_step=1,
            examples=examples,
            tokens=tokens,
            label_tokens=1,
            left_out=0,
            final_loss=0.1,
            seconds=1.0,
            tokens_per_second=speed,
            curve=(),
            device=device,
        ),
    )


def test_estimate_grows_with_examples_and_epochs():
    one = estimate_trial(make_plan(num_train_epochs=1), 100, [make_trial(10.0)], DEFAULTS, {})
    more = estimate_trial(make_plan(num_train_epochs=2), 300, [make_trial(10.0)], DEFAULTS, {})
    assert one is not None
    assert more is not None
    assert (one.seconds, more.seconds) == (100, 600)


def test_range_comes_from_earlier_trials():
    trials = [make_trial(speed) for speed in (8.0, 10.0, 12.5)]
    found = estimate_trial(make_plan(num_train_epochs=1), 100, trials, DEFAULTS, {})
    assert found is not None
    assert (found.low, found.high, found.trials) == (80, 125, 3)


def test_few_trials_widen_the_range():
    found = estimate_trial(make_plan(num_train_epochs=1), 100, [make_trial(10.0)], DEFAULTS, {})
    assert found is not None
    assert (found.low, found.high) == (75, 125)


def test_estimate_uses_comparable_trials_only():
    full = make_trial(1.0, plan=TrialPlan(trainer="trl", method="full", lora={}, settings={}, seed=1))
    trials = [make_trial(1.0), make_trial(100.0, device="NVIDIA H100"), full]
    found = estimate_trial(make_plan(num_train_epochs=1), 100, trials, DEFAULTS, {"NVIDIA H100": 3.6})
    assert found is not None
    assert (found.seconds, found.device, found.cost) == (10, "NVIDIA H100", 0.01)


def test_no_earlier_trial_gives_no_estimate():
    assert estimate_trial(make_plan(), 100, [], DEFAULTS, {}) is None


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({}, 3.0),
        ({"num_train_epochs": 0.5}, 0.5),
        ({"max_steps": 50}, 2.0),
        ({"max_steps": 50, "gradient_accumulation_steps": 2, "per_device_train_batch_size": 1}, 1.0),
    ],
    ids=["default", "epochs", "steps", "accumulated"],
)
def test_epochs_follow_from_settings(settings, epochs):
    assert count_epochs(make_plan(**settings), 100, DEFAULTS) == epochs


@pytest.mark.parametrize(
    ("ends", "trainings"),
    [([0.25, 0.5, 1.0], 0.25 * 3 + 0.5 * 2), ([0.5, 1.0], 0.5 * 3), ([1.0], 0.0)],
    ids=["before the first rung", "before the last rung", "at the end"],
)
def test_pruning_reduces_full_trainings(ends, trainings):
    assert count_trainings(ends, 5, Pruning(keep=0.5)) == trainings


def test_estimates_add_up():
    assert add_estimates([]) is None
    assert add_estimates([MINUTES, MINUTES.scaled(0.5)]) == replace(MINUTES, seconds=900, low=750, high=1050)


@pytest.mark.parametrize(
    ("budget", "price", "words"),
    [
        (Budget(gpu_minutes=12), None, None),
        (Budget(gpu_minutes=10), None, "11.0 device minutes, more than the budget of 10"),
        (Budget(cost=1), 12.0, "expected to cost 2.20, more than the budget of 1"),
        (Budget(cost=3), 12.0, None),
        (Budget(cost=3), None, "NIGHTLOOM_PRICES has no price for 'cpu'"),
        (None, 12.0, None),
    ],
    ids=["enough minutes", "too few minutes", "too little money", "enough money", "no price", "no budget"],
)
def test_estimate_is_compared_with_budget(budget, price, words):
    message = compare_with_budget(budget, replace(MINUTES, price=price), spent_s=60)
    assert message is None if words is None else words in str(message)
