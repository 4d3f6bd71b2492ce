import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.statistics.intervals import Interval, mean_interval, tango_interval, wilson_interval
from scipy.optimize import brentq, minimize_scalar
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW


@st.composite
def pairs(draw):
    n = draw(st.integers(1, 2000))
    only_a = draw(st.integers(0, n))
    return only_a, draw(st.integers(0, n - only_a)), n


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (1, 10), (56, 70), (70, 70), (1823, 3080)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_matches_statsmodels(correct, n, confidence):
    expected = proportion_confint(correct, n, alpha=1 - confidence, method="wilson")
    interval = wilson_interval(correct, n, confidence)
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-12)


def test_wilson_without_items_is_unit_interval():
    assert wilson_interval(0, 0) == Interval(0.0, 1.0)


@given(st.integers(0, 500), st.integers(1, 500), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_contains_rate_within_bounds(correct, n, confidence):
    correct = min(correct, n)
    interval = wilson_interval(correct, n, confidence)
    assert 0 <= interval.low <= correct / n <= interval.high <= 1


@pytest.mark.parametrize("values", [[0.4, 0.5], [1.0, 2.0, 4.0, 8.0]])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_mean_interval_matches_statsmodels(values, confidence):
    interval = mean_interval(values, confidence)
    assert (interval.low, interval.high) == pytest.approx(DescrStatsW(values).tconfint_mean(1 - confidence))


def test_one_value_has_no_interval():
    assert mean_interval([0.4]) is None


def test_tango_matches_publication():
    # Airway hyper-responsiveness, 1 and 7 of 21: Fagerland, Lydersen & Laake 2014.
    interval = tango_interval(1, 7, 21)
    assert (interval.low, interval.high) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(("only_a", "only_b", "n"), [(8, 2, 44), (12, 2, 44), (30, 82, 400), (5, 0, 40), (0, 1, 9)])
def test_tango_inverts_score_test(only_a, only_b, n):
    interval = tango_interval(only_a, only_b, n)
    estimate = (only_a - only_b) / n
    low = brentq(lambda delta: score_by_search(only_a, only_b, n, delta) - 1.959963984540054, -1 + 1e-9, estimate)
    high = brentq(lambda delta: score_by_search(only_a, only_b, n, delta) + 1.959963984540054, estimate, 1 - 1e-9)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-5)


def test_tango_without_discordance_is_not_certain():
    interval = tango_interval(0, 0, 100)
    assert (interval.low, interval.high) == pytest.approx((-0.036993, 0.036993), abs=1e-6)


def test_tango_without_items_is_full_range():
    assert tango_interval(0, 0, 0) == Interval(-1.0, 1.0)


@given(pairs(), st.sampled_from([0.8, 0.95, 0.99]))
def test_tango_contains_difference_within_bounds(pair, confidence):
    only_a, only_b, n = pair
    interval = tango_interval(only_a, only_b, n, confidence)
    assert -1 <= interval.low <= (only_a - only_b) / n <= interval.high <= 1


@given(pairs())
def test_swapping_models_flips_tango(pair):
    only_a, only_b, n = pair
    one, other = tango_interval(only_a, only_b, n), tango_interval(only_b, only_a, n)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)


@given(pairs())
def test_tango_widens_with_confidence(pair):
    narrow, wide = tango_interval(*pair, confidence=0.8), tango_interval(*pair, confidence=0.99)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


def score_by_search(only_a, only_b, n, delta):
    """The score statistic with the nuisance parameter found by maximising the likelihood numerically."""

    def minus_log_likelihood(share_b):
        cells = ((only_a, share_b + delta), (only_b, share_b), (n - only_a - only_b, 1 - 2 * share_b - delta))
        return -sum(count * math.log(max(share, 1e-300)) for count, share in cells if count)

    found = minimize_scalar(
        minus_log_likelihood, bounds=(max(0.0, -delta), (1 - delta) / 2), method="bounded", options={"xatol": 1e-12}
    )
    return (only_a - only_b - n * delta) / math.sqrt(n * (2 * found.x + delta * (1 - delta)))
