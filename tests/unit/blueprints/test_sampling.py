"""Trials are sampled when a blueprint is compiled, the same ones each time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.blueprints.sampling import sample_trials
from nightloom.recipes.training import Train
from pydantic import ValidationError


def sample(**trials):
    return sample_trials(
        Train.model_validate({"settings": {"learning_rate": 1e-4}, "lora": {"r": 8}, "trials": trials})
    )


def test_recipe_without_trials_has_one():
    (plan,) = sample_trials(Train(seed=7))
    assert (plan.seed, plan.settings) == (7, {})


def test_grid_combines_values_and_seeds():
    plans = sample(over={"settings.learning_rate": [1e-4, 1e-3], "lora.r": [8, 16]}, seeds=[1, 2])
    assert [(plan.lora["r"], plan.settings["learning_rate"], plan.seed) for plan in plans] == [
        (8, 1e-4, 1),
        (8, 1e-4, 2),
        (8, 1e-3, 1),
        (8, 1e-3, 2),
        (16, 1e-4, 1),
        (16, 1e-4, 2),
        (16, 1e-3, 1),
        (16, 1e-3, 2),
    ]


@given(count=st.integers(1, 40), low=st.floats(1e-6, 1e-3), factor=st.floats(2, 1000))
def test_random_search_is_reproducible(count, low, factor):
    over = {"settings.learning_rate": {"low": low, "high": low * factor, "log": True}}
    plans = sample(search="random", over=over, count=count)
    assert plans == sample(search="random", over=over, count=count)
    assert 1 <= len(plans) <= count
    assert all(low * 0.99999 <= plan.settings["learning_rate"] <= low * factor * 1.00001 for plan in plans)


def test_larger_search_extends_the_smaller():
    over = {"lora.r": {"low": 4, "high": 400, "whole": True}}
    few, many = (sample(search="random", over=over, count=count) for count in (3, 9))
    assert many[: len(few)] == few


def test_equal_configurations_are_one_trial():
    assert len(sample(search="random", over={"lora.r": [8]}, count=20)) == 1


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ({"over": {"lora.r": list(range(1, 33)), "lora.lora_alpha": list(range(1, 33))}}, "has 1024 trials, more than"),
        ({"search": "random", "over": {"lora.r": [4]}, "count": 400, "seeds": [1, 2, 3]}, "has 1200 trials, more than"),
        ({"over": {"lora.r": {"low": 1, "high": 2}}}, "is a range, which needs `search: random`"),
        ({"over": {"learning_rate": [1]}}, "is not a hyperparameter"),
        ({"over": {"lora.r": []}}, "has no values"),
        ({"search": "random", "over": {"lora.r": {"low": 2, "high": 1}}}, "write a `low` below `high`"),
        ({"pruning": {"rungs": [0.5, 0.25]}}, "rungs must rise"),
    ],
    ids=[
        "large grid",
        "many seeds",
        "range in a grid",
        "unknown hyperparameter",
        "no value",
        "empty range",
        "falling rungs",
    ],
)
def test_impossible_search_is_refused(trials, reason):
    with pytest.raises(ValidationError, match=reason):
        sample(**trials)
