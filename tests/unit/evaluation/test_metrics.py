import polars as pl
import pytest
from nightloom.artifacts.frames import SCORES
from nightloom.artifacts.results import Scale
from nightloom.evaluation.metrics import compute_metrics
from nightloom.evaluation.scorers import ExactMatch


class Tokens:
    """How long an answer is."""

    name = "tokens"
    version = "1"
    scope = "answer"
    scale = Scale(kind="real", unit="tokens", direction="lower", least=0, most=None)


def lines(values, scorer="exact_match/1", field="team", clusters=None):
    count = clusters or len(values)
    rows = [(f"i{n}", f"c{n % count}", None, scorer, field, value, None) for n, value in enumerate(values)]
    return pl.DataFrame(rows, schema=SCORES, orient="row")


def test_no_items_give_no_rate():
    (metric,) = compute_metrics(pl.DataFrame(schema=SCORES), [ExactMatch()], ["team"])
    assert (metric.value, metric.low, metric.high, metric.n) == (None, 0.0, 1.0, 0)


def test_rate_has_wilson_interval():
    (metric,) = compute_metrics(lines([1.0] * 36 + [0.0] * 4), [ExactMatch()], ["team"])
    assert (metric.value, metric.low, metric.high, metric.n) == (0.9, 0.769482, 0.96042, 40)
    assert (metric.name, metric.scorer, metric.scale.unit) == ("team", "exact_match/1", "exact match")


def test_mean_has_interval_in_its_unit():
    (metric,) = compute_metrics(lines([10.0, 14.0, 12.0, 16.0], "tokens/1", None), [Tokens()], ["team"])
    assert (metric.name, metric.value, metric.scale.unit) == ("tokens", 13.0, "tokens")
    assert (metric.low, metric.high) == pytest.approx((8.891479, 17.108521), abs=1e-6)


def test_clusters_widen_the_interval():
    values = [10.0, 14.0, 12.0, 16.0] * 20
    (alone,), (together,) = (
        compute_metrics(lines(values, "tokens/1", None, clusters), [Tokens()], []) for clusters in (None, 4)
    )
    assert together.low is None or together.low < alone.low


def test_one_value_has_no_spread():
    (metric,) = compute_metrics(lines([10.0], "tokens/1", None), [Tokens()], [])
    assert (metric.value, metric.high) == (10.0, None)


def test_unscored_items_are_counted_apart():
    (metric,) = compute_metrics(lines([1.0, None, 0.0, None]), [ExactMatch()], ["team"])
    assert (metric.value, metric.n, metric.unscored) == (0.5, 2, 2)
