"""Trials are drawn when a blueprint is compiled: all of them, the same ones each time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.blueprints.sampling import draw_trials
from nightloom.recipes.training import Train
from pydantic import ValidationError


def draw(**trials):
    return draw_trials(Train.model_validate({"settings": {"learning_rate": 1e-4}, "lora": {"r": 8}, "trials": trials}))


def test_without_trials_there_is_one():
    (plan,) = draw_trials(Train(seed=7))
    assert (plan.seed, plan.settings) == (7, {})


def test_a_grid_is_every_combination_with_every_seed():
    plans = draw(over={"settings.learning_rate": [1e-4, 1e-3], "lora.r": [8, 16]}, seeds=[1, 2])
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
def test_a_random_search_draws_the_same_again_and_within_its_range(count, low, factor):
    over = {"settings.learning_rate": {"low": low, "high": low * factor, "log": True}}
    plans = draw(search="random", over=over, count=count)
    assert plans == draw(search="random", over=over, count=count)
    assert 1 <= len(plans) <= count
    assert all(low * 0.99999 <= plan.settings["learning_rate"] <= low * factor * 1.00001 for plan in plans)


def test_more_draws_begin_with_the_same_ones():
    over = {"lora.r": {"low": 4, "high": 400, "whole": True}}
    few, many = (draw(search="random", over=over, count=count) for count in (3, 9))
    assert many[: len(few)] == few


def test_equal_draws_are_one_trial():
    assert len(draw(search="random", over={"lora.r": [8]}, count=20)) == 1


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ({"over": {"lora.r": list(range(1, 33)), "lora.lora_alpha": list(range(1, 33))}}, "makes 1024 trials, and"),
        ({"search": "random", "over": {"lora.r": [4]}, "count": 400, "seeds": [1, 2, 3]}, "makes 1200 trials, and"),
        ({"over": {"lora.r": {"low": 1, "high": 2}}}, "only `search: random` draws from"),
        ({"over": {"learning_rate": [1]}}, "is no setting to draw"),
        ({"over": {"lora.r": []}}, "lists no value"),
        ({"search": "random", "over": {"lora.r": {"low": 2, "high": 1}}}, "write a `low` below `high`"),
        ({"pruning": {"rungs": [0.5, 0.25]}}, "they do not rise"),
    ],
    ids=["large grid", "many seeds", "range in a grid", "no place", "no value", "empty range", "falling rungs"],
)
def test_a_search_that_cannot_be_drawn_is_refused(trials, reason):
    with pytest.raises(ValidationError, match=reason):
        draw(**trials)
