import pytest
from nightloom.artifacts.results import Comparison, Metric, Scale
from nightloom.artifacts.showing import (
    name_measure,
    show_comparison,
    show_difference,
    show_interval,
    show_metric,
    show_value,
    style_difference,
)
from nightloom.evaluation.scorers import EXACT_MATCH

MS = Scale(kind="real", unit="ms", direction="lower", least=0, most=None)
TEAM = Metric(name="team", scorer="exact_match/1", scale=EXACT_MATCH, value=0.9125, low=0.887, high=0.932, n=640)
LATENCY = Metric(name="latency", scorer="latency/1", scale=MS, value=412.34, low=398, high=431.2, n=640)


def compare(metric, difference, low, high):
    return Comparison(
        against="linear_classifier",
        eval_set="held_out",
        metric=metric.name,
        scorer=metric.scorer,
        scale=metric.scale,
        n=640,
        clusters=640,
        difference=difference,
        low=low,
        high=high,
        p_value=0.1,
        margin=0.02,
        finding="INCONCLUSIVE",
    )


def test_value_is_followed_by_interval():
    assert show_interval(0.25, 0.2, 0.3) == "0.250 [0.200, 0.300]"


def test_unknown_bound_is_question_mark():
    assert show_interval(0.25, None, 0.3) == "0.250 [?, 0.300]"


@pytest.mark.parametrize(
    ("metric", "line", "cell", "name"),
    [
        (TEAM, "team 0.912 [0.887, 0.932] n=640", "91.2% [88.7, 93.2]", "team exact match"),
        (LATENCY, "latency 412.3 ms [398, 431.2] n=640", "412.3 ms [398, 431.2]", "latency in ms"),
    ],
    ids=["rate", "real"],
)
def test_metric_has_its_unit(metric, line, cell, name):
    assert (show_metric(metric), show_value(metric), name_measure(metric)) == (line, cell, name)


def test_unscored_items_are_shown():
    assert show_metric(TEAM.model_copy(update={"unscored": 3})).endswith(" n=640 (3 not scored)")


def test_metric_without_items_is_undefined():
    nothing = TEAM.model_copy(update={"value": None, "n": 0})
    assert (show_metric(nothing), show_value(nothing)) == ("team undefined n=0", "no item")


@pytest.mark.parametrize(
    ("comparison", "shown"),
    [
        (compare(TEAM, 0.021, -0.006, 0.049), "+2.1 points [-0.6, +4.9]"),
        (compare(LATENCY, -12.5, -30, 5.25), "-12.5 ms [-30, +5.25]"),
        (compare(LATENCY, -12.5, None, None), "-12.5 ms [?, ?]"),
    ],
    ids=["rate", "real", "too little to say"],
)
def test_difference_has_its_unit(comparison, shown):
    assert show_difference(comparison, style_difference(comparison.scale)) == shown


def test_comparison_is_one_line():
    assert show_comparison(compare(TEAM, 0.021, -0.006, 0.049), TEAM) == (
        "team 0.912 [0.887, 0.932] n=640 against linear classifier: +0.021 [-0.006, +0.049]: INCONCLUSIVE"
    )
