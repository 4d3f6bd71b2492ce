"""Views: lines and key numbers as people read them."""

from nightloom.artifacts.results import Comparison, Metric
from nightloom.evaluation.scorers import RIGHT
from nightloom.reports.views import show_line

METRIC = Metric(name="team", scorer="exact_match/1", scale=RIGHT, value=0.9125, n=640, low=0.887, high=0.932)
COMPARISON = Comparison(
    against="champion",
    eval_set="held_out",
    metric="team",
    scorer="exact_match/1",
    scale=RIGHT,
    n=640,
    clusters=640,
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
    assert show_line(COMPARISON, METRIC) == (
        "team 0.912 [0.887, 0.932] n=640  vs champion +0.021 [-0.006, +0.049] margin 0.020: INCONCLUSIVE"
    )
