import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.statistics.intervals import Interval, tango_interval
from nightloom.statistics.paired import (
    compare_means,
    compare_paired,
    compare_rates,
    judge_difference,
    mid_p_mcnemar,
    minimum_detectable_effect,
)
from scipy.stats import binom
from statsmodels.stats.weightstats import DescrStatsW

BOUND = st.floats(-1, 1)
MARKS = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 40)), min_size=1, max_size=120)
SCORE = st.integers(0, 20).map(lambda score: score / 20)
REAL = st.lists(st.tuples(SCORE, SCORE, st.integers(0, 40)), min_size=1, max_size=60)


def test_independent_items_have_tango_interval():
    a = [True] * 8 + [False] * 2 + [True] * 34
    b = [False] * 8 + [True] * 2 + [True] * 34
    paired = compare_rates(a, b, [str(n) for n in range(44)])
    expected = tango_interval(8, 2, 44)
    assert (paired.only_a, paired.only_b, paired.n, paired.clusters) == (8, 2, 44, 44)
    assert (paired.interval.low, paired.interval.high) == (expected.low, expected.high)


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="2, 1 and 2 values are not paired"):
        compare_rates([True, True], [True], ["a", "b"])


@given(MARKS)
def test_interval_contains_difference_within_bounds(marks):
    paired = compare_rates(*zip(*marks, strict=True))
    assert -1 <= paired.interval.low <= paired.difference <= paired.interval.high <= 1
    assert 0 <= paired.p_value <= 1


@given(MARKS)
def test_swapping_models_flips_sign(marks):
    a, b, clusters = zip(*marks, strict=True)
    one, other = compare_rates(a, b, clusters), compare_rates(b, a, clusters)
    assert (one.interval.low, one.interval.high) == pytest.approx((-other.interval.high, -other.interval.low), abs=1e-9)
    assert one.p_value == pytest.approx(other.p_value)


@given(MARKS)
def test_clusters_never_narrow_interval(marks):
    a, b, clusters = zip(*marks, strict=True)
    alone, together = compare_rates(a, b, range(len(a))), compare_rates(a, b, clusters)
    assert together.interval.low <= alone.interval.low
    assert alone.interval.high <= together.interval.high


@pytest.mark.parametrize(("only_a", "only_b"), [(12, 2), (1, 7), (0, 9), (40, 55)])
def test_mid_p_halves_observed_probability(only_a, only_b):
    least, total = min(only_a, only_b), only_a + only_b
    expected = 2 * binom.cdf(least, total, 0.5) - binom.pmf(least, total, 0.5)
    assert mid_p_mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-9)


def test_mid_p_matches_publication():
    # Airway hyper-responsiveness: Fagerland, Lydersen & Laake 2013, mid-p 0.039.
    assert mid_p_mcnemar(1, 7) == pytest.approx(0.0391, abs=5e-5)


def test_no_discordance_has_p_one():
    assert mid_p_mcnemar(0, 0) == 1.0


def test_real_scores_have_mean_difference_interval():
    a, b = [0.2, 0.9, 0.4, 0.7, 0.6], [0.1, 0.5, 0.5, 0.4, 0.5]
    paired = compare_means(a, b, list("abcde"), width=1.0)
    fit = DescrStatsW(np.subtract(a, b)).tconfint_mean()
    assert (paired.interval.low, paired.interval.high) == pytest.approx(fit)
    assert (paired.difference, paired.n, paired.clusters) == (pytest.approx(0.16), 5, 5)
    assert (paired.p_value, paired.only_a, paired.only_b) == (8 / 32, None, None)


def test_kind_comes_from_scorer():
    a, b, items = [1.0] * 20 + [0.0] * 20, [0.0] * 12 + [1.0] * 8 + [0.0] * 20, range(40)
    binary = compare_paired(a, b, items, kind="binary")
    real = compare_paired(a, b, items, kind="real", width=1.0)
    assert binary == compare_rates([*map(bool, a)], [*map(bool, b)], items)
    assert (binary.only_a, real.only_a) == (12, None)
    assert binary.interval != real.interval


def test_invalid_binary_score_is_refused():
    with pytest.raises(ValueError, match=r"0\.5 is not a binary score"):
        compare_paired([1.0, 0.5], [0.0, 1.0], ["a", "b"], kind="binary")


def test_non_finite_score_is_refused():
    with pytest.raises(ValueError, match="a score is not finite"):
        compare_paired([1.0, float("nan")], [0.0, 1.0], ["a", "b"], kind="real")


@given(REAL)
def test_swapping_models_flips_real_scores(pairs):
    a, b, clusters = zip(*pairs, strict=True)
    one, other = compare_means(a, b, clusters, width=1.0), compare_means(b, a, clusters, width=1.0)
    assert (one.interval.low, one.interval.high) == pytest.approx((-other.interval.high, -other.interval.low), abs=1e-6)
    assert one.p_value == other.p_value


@given(REAL)
def test_interval_contains_real_difference(pairs):
    paired = compare_means(*zip(*pairs, strict=True), width=1.0)
    assert -1 <= paired.interval.low <= paired.difference + 1e-12
    assert paired.difference - 1e-12 <= paired.interval.high <= 1


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [
        pytest.param(0.001, 0.05, "BETTER", id="all of it above 0"),
        pytest.param(0.0, 0.05, "NOT_WORSE", id="0 is not above 0"),
        pytest.param(-0.019, 0.05, "NOT_WORSE", id="all of it above the margin"),
        pytest.param(-0.02, 0.05, "INCONCLUSIVE", id="the margin is not above the margin"),
        pytest.param(-0.05, -0.001, "WORSE", id="all of it below 0"),
        pytest.param(-0.01, -0.001, "WORSE", id="a small loss that is shown"),
    ],
)
def test_bounds_decide_finding(low, high, finding):
    assert judge_difference(Interval(low, high), margin=0.02) == finding


@given(BOUND, BOUND, st.floats(0.001, 0.5))
def test_better_reversed_is_worse(one, other, margin):
    low, high = sorted((one, other))
    ours, theirs = Interval(low, high), Interval(-high, -low)
    assert (judge_difference(ours, margin) == "BETTER") == (judge_difference(theirs, margin) == "WORSE")


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [(-40, -5, "BETTER"), (-40, 5, "NOT_WORSE"), (-40, 20, "INCONCLUSIVE"), (1, 5, "WORSE")],
)
def test_lower_direction_reverses_finding(low, high, finding):
    assert judge_difference(Interval(low, high), margin=20, direction="lower") == finding


def test_unbounded_interval_is_inconclusive():
    assert judge_difference(Interval(-np.inf, np.inf), margin=0.02) == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("n", "at_10_percent", "at_20_percent"), [(200, 6.3, 8.9), (500, 4.0, 5.6), (1000, 2.8, 4.0), (2000, 2.0, 2.8)]
)
def test_detectable_effect_by_items(n, at_10_percent, at_20_percent):
    shown = [round(100 * minimum_detectable_effect(n, discordant), 1) for discordant in (0.1, 0.2)]
    assert shown == [at_10_percent, at_20_percent]


def test_detectable_effect_is_at_most_one():
    assert minimum_detectable_effect(1, discordant=1.0) == 1.0


def test_no_item_is_refused():
    with pytest.raises(ValueError, match="0 items detect nothing"):
        minimum_detectable_effect(0)
