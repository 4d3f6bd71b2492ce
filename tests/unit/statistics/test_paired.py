import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from nightloom.statistics.intervals import tango_interval
from nightloom.statistics.paired import cluster_interval, compare_paired, mid_p_mcnemar, mid_p_sign_flip
from scipy.stats import binom

MARKS = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 40)), min_size=1, max_size=120)


def draw_marks(seed, clusters, size):
    """Marks of two models whose items go together within a cluster."""
    random = np.random.default_rng(seed)
    shift = np.repeat(random.normal(0, 0.15, clusters), size)
    a, b = (random.random(clusters * size) < 0.8 + sign * shift for sign in (1, -1))
    return a, b, np.repeat(np.arange(clusters), size)


def test_items_of_their_own_have_tangos_interval():
    a = [True] * 8 + [False] * 2 + [True] * 34
    b = [False] * 8 + [True] * 2 + [True] * 34
    paired = compare_paired(a, b, [str(n) for n in range(44)])
    expected = tango_interval(8, 2, 44)
    assert (paired.only_a, paired.only_b, paired.n, paired.clusters) == (8, 2, 44, 44)
    assert (paired.low, paired.high) == (expected.low, expected.high)


def test_many_clusters_have_the_robust_interval_of_statsmodels():
    a, b, clusters = draw_marks(seed=7, clusters=60, size=5)
    differences = a.astype(float) - b
    fit = sm.OLS(differences, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    only_a, only_b = (np.bincount(clusters, weights=marks) for marks in (a & ~b, b & ~a))
    interval = cluster_interval(only_a, only_b, np.full(60, 5.0))
    assert (interval.low, interval.high) == pytest.approx(tuple(fit.conf_int()[0]), abs=1e-12)


def test_few_clusters_are_all_sign_patterns_not_refused():
    # Student's t covers too little here; the bound is where 5 % of the 256 patterns are as far out.
    only_a = np.array([3.0, 0.0, 2.0, 1.0, 4.0, 1.0, 0.0, 3.0])
    only_b = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.0])
    sums, sizes = only_a - only_b, np.full(8, 5.0)
    interval = cluster_interval(only_a, only_b, sizes)
    assert share_as_far(sums, sizes, interval.low - 0.001) <= 0.05 < share_as_far(sums, sizes, interval.low + 0.001)
    assert share_as_far(sums, sizes, interval.high + 0.001) <= 0.05 < share_as_far(sums, sizes, interval.high - 0.001)


def test_five_clusters_can_decide_nothing():
    interval = cluster_interval(np.array([3.0, 4.0, 5.0, 4.0, 3.0]), np.zeros(5), np.full(5, 5.0))
    assert (interval.low, interval.high) == (-1.0, 1.0)


def test_the_bootstrap_is_its_seeds():
    a, b, clusters = draw_marks(seed=3, clusters=20, size=6)
    one, again, other = (compare_paired(a, b, clusters, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.parametrize("only_a", [0.0, 3.0], ids=["never", "in all clusters alike"])
def test_clusters_that_do_not_differ_count_as_one_item_each(only_a):
    interval = cluster_interval(np.full(100, only_a), np.zeros(100), np.full(100, 10.0))
    expected = tango_interval(10 * only_a, 0, 100)
    assert (interval.low, interval.high) == (expected.low, expected.high)


def test_few_clusters_with_a_difference_are_not_trusted():
    # Three of 40: that the other 37 agree says little about how clusters differ.
    only_a = np.array([6.0, 5.0, 7.0] + [0.0] * 37)
    interval = cluster_interval(only_a, np.zeros(40), np.full(40, 10.0))
    expected = tango_interval(1.8, 0, 40)
    assert interval.high == expected.high > 0.05


def test_pairs_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="2, 1 and 2 values are no pairs"):
        compare_paired([True, True], [True], ["a", "b"])


@given(MARKS)
def test_an_interval_holds_its_difference_within_minus_one_and_one(marks):
    paired = compare_paired(*zip(*marks, strict=True))
    assert -1 <= paired.low <= paired.difference <= paired.high <= 1
    assert 0 <= paired.p_value <= 1


@given(MARKS)
def test_swapping_the_models_turns_the_sign(marks):
    a, b, clusters = zip(*marks, strict=True)
    one, other = compare_paired(a, b, clusters), compare_paired(b, a, clusters)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert one.p_value == pytest.approx(other.p_value)


@given(MARKS)
def test_clusters_never_narrow_an_interval(marks):
    a, b, clusters = zip(*marks, strict=True)
    alone, together = compare_paired(a, b, range(len(a))), compare_paired(a, b, clusters)
    assert together.low <= alone.low
    assert alone.high <= together.high


@pytest.mark.parametrize(("only_a", "only_b"), [(12, 2), (1, 7), (0, 9), (40, 55)])
def test_mid_p_is_the_exact_p_less_half_of_what_was_seen(only_a, only_b):
    least, total = min(only_a, only_b), only_a + only_b
    expected = 2 * binom.cdf(least, total, 0.5) - binom.pmf(least, total, 0.5)
    assert mid_p_mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-9)


def test_mid_p_is_as_published():
    # Airway hyper-responsiveness: Fagerland, Lydersen & Laake 2013, mid-p 0.039.
    assert mid_p_mcnemar(1, 7) == pytest.approx(0.0391, abs=5e-5)


def test_nothing_discordant_says_nothing():
    assert mid_p_mcnemar(0, 0) == 1.0


def test_sign_flips_are_all_counted():
    differences = [3, -1, 2, 2, 0, 1]
    totals = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in all_signs(6)]
    beyond, level = (sum(test(abs(t)) for t in totals) / 64 for test in (lambda t: t > 7, lambda t: t == 7))
    assert mid_p_sign_flip(differences) == pytest.approx(beyond + level / 2)


def all_signs(count):
    return itertools.product((1, -1), repeat=count)


def share_as_far(sums, sizes, delta):
    """Share of sign patterns whose studentised mean is as far out as the one seen, counted one by one."""
    residuals = sums - delta * sizes
    return np.mean(
        [
            abs(studentise(np.multiply(signs, residuals), sizes)) >= abs(studentise(residuals, sizes)) - 1e-9
            for signs in all_signs(len(sums))
        ]
    )


def studentise(sums, sizes):
    fit = sm.OLS(np.repeat(sums / sizes, sizes.astype(int)), np.ones(int(sizes.sum()))).fit(
        cov_type="cluster", cov_kwds={"groups": np.repeat(np.arange(len(sums)), sizes.astype(int))}
    )
    return fit.params[0] / fit.bse[0]
