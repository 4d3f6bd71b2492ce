"""Views: numbers as people read them."""

from nightloom.artifacts.results import Comparison, Metric
from nightloom.reports.views import show_comparison, show_rate

METRIC = Metric(name="team", slice=None, correct=584, n=640, low=0.887, high=0.932)
COMPARISON = Comparison(
    against="champion",
    eval_set="held_out",
    metric="team",
    n=640,
    only_candidate=31,
    only_other=18,
    difference=0.021,
    low=-0.006,
    high=0.049,
    p_value=0.1,
    margin=0.02,
    finding="INCONCLUSIVE",
)


def test_comparison_is_one_line_with_its_uncertainty_and_n() -> None:
    assert show_comparison(COMPARISON, METRIC) == (
        "team 0.912 [0.887, 0.932] n=640  vs champion +0.021 [-0.006, +0.049] margin 0.020: INCONCLUSIVE"
    )


def test_rate_has_its_interval_in_the_same_unit() -> None:
    assert show_rate(METRIC) == "91.2% [88.7, 93.2]"


def test_rate_of_nothing_is_undefined_not_zero() -> None:
    assert show_rate(METRIC.model_copy(update={"correct": 0, "n": 0})) == "no item"
