"""Comparison: figures with real text and the colours of the page, and one line per comparison."""

import re

import pytest
from nightloom.artifacts.results import Metric, ModelScores, Scale
from nightloom.reports.sections.comparison import draw_differences, draw_scores, show_line

from tests.factories.manifests import make_comparison, make_metric
from tests.factories.report_nights import words_of


def test_comparison_is_one_line() -> None:
    assert show_line(make_comparison(), make_metric()) == (
        "team 0.912 [0.887, 0.932] n=640  vs champion +0.021 [-0.006, +0.049] margin 0.020: INCONCLUSIVE"
    )


def scores(*metrics: Metric) -> list[ModelScores]:
    return [ModelScores(role="candidate", eval_set="held_out", scores="", metrics=metrics)]


def rate(part: str | None, correct: int, n: int) -> Metric:
    value = correct / n if n else None
    return make_metric(slice=part, value=value, n=n, low=0.1, high=0.9)


def test_colours_are_css_variables() -> None:
    svg = draw_scores(scores(rate(None, 5, 10)), "team")
    assert "var(--candidate)" in svg
    assert re.findall(r"#[0-9a-f]{6}", svg) == []


def test_rates_and_counts_are_text() -> None:
    drawn = words_of(draw_scores(scores(rate(None, 584, 640), rate("unseen", 109, 128)), "team"))
    assert drawn[-4:] == ["all items, n = 640", "91.2%", "unseen, n = 128", "85.2%"]


MS = Scale(kind="real", unit="ms", direction="lower", least=0, most=None)
LATENCY = make_metric(name="latency", scorer="latency/1", scale=MS, value=412.34, low=398, high=431)


def test_real_scores_show_unit() -> None:
    drawn = words_of(draw_scores(scores(LATENCY), "latency"))
    assert "412.3 ms" in drawn
    assert "100%" not in drawn


def test_score_without_interval_is_drawn() -> None:
    alone = LATENCY.model_copy(update={"low": None, "high": None, "n": 1})
    assert "412.3 ms" in words_of(draw_scores(scores(alone), "latency"))


def test_differences_show_better_direction() -> None:
    comparison = make_comparison(metric="latency", scale=MS, difference=-12.5, low=None, high=None, margin=20)
    assert "difference in ms; lower is better" in words_of(draw_differences([comparison]))


def test_empty_slice_has_no_rate() -> None:
    assert "no item" in words_of(draw_scores(scores(rate(None, 0, 0)), "team"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("$x^", "$x^, n = 3"),
        ("<script>", "&lt;script&gt;, n = 3"),
        ("a\nb\x00", "a b, n = 3"),
        ("田中さん", "田中さん, n = 3"),
        ("x" * 50, "x" * 29 + "…, n = 3"),
    ],
    ids=["formula", "tag", "control characters", "another script", "long"],
)
def test_names_from_data_stay_text(name: str, shown: str) -> None:
    assert shown in words_of(draw_scores(scores(rate(None, 1, 3), rate(name, 1, 3)), "team"))


def test_largest_slices_are_drawn() -> None:
    drawn = words_of(draw_scores(scores(*(rate(f"s{n:02}", 1, n) for n in range(1, 21))), "team"))
    assert [word for word in drawn if word.startswith("s")] == [f"s{n}, n = {n}" for n in range(13, 21)]
