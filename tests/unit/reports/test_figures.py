"""Figures: the same bytes for the same facts, text as text, colours those of the page."""

import re

import pytest
from nightloom.artifacts.data import RuleCount
from nightloom.artifacts.results import Comparison, Metric, Scale
from nightloom.artifacts.training import HeldOutLoss, LossPoint
from nightloom.evaluation.scorers import RIGHT
from nightloom.reports.facts import NightFact, ScoreFact
from nightloom.reports.figures import draw_differences, draw_history, draw_loss, draw_rows, draw_scores, draw_volume


def scores(*metrics: Metric) -> list[ScoreFact]:
    return [ScoreFact(role="candidate", eval_set="held_out", metrics=metrics)]


def rate(part: str | None, correct: int, n: int) -> Metric:
    value = correct / n if n else None
    return Metric(name="team", scorer="exact_match/1", scale=RIGHT, slice=part, value=value, n=n, low=0.1, high=0.9)


def words(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_equal_facts_are_equal_bytes() -> None:
    counts = [RuleCount(outcome="kept", rule=None, rows=9), RuleCount(outcome="merged", rule="exact_duplicate", rows=1)]
    assert draw_rows(counts) == draw_rows(counts)


def test_colours_are_variables_of_the_page() -> None:
    svg = draw_scores(scores(rate(None, 5, 10)), "team")
    assert "var(--candidate)" in svg
    assert re.findall(r"#[0-9a-f]{6}", svg) == []


def test_rates_and_counts_are_text() -> None:
    drawn = words(draw_scores(scores(rate(None, 584, 640), rate("unseen", 109, 128)), "team"))
    assert drawn[-4:] == ["all items, n = 640", "91.2%", "unseen, n = 128", "85.2%"]


MS = Scale(kind="real", unit="ms", direction="lower", least=0, most=None)
LATENCY = Metric(name="latency", scorer="latency/1", scale=MS, value=412.34, low=398, high=431, n=640)


def test_real_scores_are_drawn_in_their_unit() -> None:
    svg = draw_scores(scores(LATENCY), "latency")
    assert "412.3 ms" in words(svg)
    assert "100%" not in words(svg)


def test_a_score_without_an_interval_is_a_mark() -> None:
    alone = LATENCY.model_copy(update={"low": None, "high": None, "n": 1})
    assert "412.3 ms" in words(draw_scores(scores(alone), "latency"))


def test_differences_of_real_scores_say_what_is_better() -> None:
    comparison = Comparison(
        against="champion",
        eval_set="held_out",
        metric="latency",
        scorer="latency/1",
        scale=MS,
        n=640,
        clusters=640,
        difference=-12.5,
        low=None,
        high=None,
        p_value=0.1,
        margin=20,
        finding="INCONCLUSIVE",
    )
    assert "ms more than the other; lower is better" in words(draw_differences([comparison]))


def test_slice_without_items_has_no_rate() -> None:
    assert "no item" in words(draw_scores(scores(rate(None, 0, 0)), "team"))


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
    assert shown in words(draw_scores(scores(rate(None, 1, 3), rate(name, 1, 3)), "team"))


def test_only_the_largest_slices_are_drawn() -> None:
    drawn = words(draw_scores(scores(*(rate(f"s{n:02}", 1, n) for n in range(1, 21))), "team"))
    assert [word for word in drawn if word.startswith("s")] == [f"s{n}, n = {n}" for n in range(13, 21)]


CURVE = [LossPoint(step=step, loss=loss, learning_rate=0.001) for step, loss in ((10, 2.5), (20, 0.1934))]


def test_loss_ends_with_its_last_value() -> None:
    assert words(draw_loss(CURVE))[-2:] == ["0.193", "learned"]


def test_held_out_loss_is_that_of_the_kept_weights() -> None:
    held_out = [HeldOutLoss(step=step, loss=step / 20, low=0.1, high=1.2, n=50) for step in (20, 10)]
    drawn = draw_loss(CURVE, held_out, 10)
    assert words(drawn)[-4:] == ["0.193", "learned", "0.5", "held out"]
    assert drawn.count("var(--champion)") > draw_loss(CURVE, held_out[:1], 20).count("var(--champion)")


def test_only_a_step_before_the_last_is_marked_as_kept() -> None:
    assert draw_loss(CURVE, kept_step=20) == draw_loss(CURVE)
    assert draw_loss(CURVE, kept_step=10) != draw_loss(CURVE)


def test_names_at_the_ends_of_lines_fit_and_do_not_meet() -> None:
    held_out = [HeldOutLoss(step=20, loss=0.1935, low=0.1, high=0.3, n=50)]
    svg = draw_loss(CURVE, held_out)
    places = re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>(learned|held out)<', svg)
    (x, lower, _), (_, upper, _) = places
    assert float(x) + 8 * 6.6 < 360
    assert float(lower) - float(upper) > 24


@pytest.mark.parametrize("draw", [draw_volume, draw_history])
def test_single_night_without_anything_can_be_drawn(draw) -> None:
    night = NightFact(night="2026-11-23", new_rows=None, predicted=None, score=None, promoted=False)
    assert "23 Nov" in words(draw([night]))
