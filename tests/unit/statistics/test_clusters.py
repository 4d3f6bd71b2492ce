import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from nightloom.statistics.clusters import (
    mean_difference_interval,
    mean_interval_of_clusters,
    mid_p_sign_flip,
    permutation_p,
    rate_difference_interval,
)
from nightloom.statistics.intervals import Interval, mean_interval, tango_interval
from nightloom.statistics.paired import compare_rates
from scipy.stats import permutation_test


def draw_marks(seed, clusters, size):
    """Marks of two models whose items go together within a cluster."""
    random = np.random.default_rng(seed)
    shift = np.repeat(random.normal(0, 0.15, clusters), size)
    a, b = (random.random(clusters * size) < 0.8 + sign * shift for sign in (1, -1))
    return a, b, np.repeat(np.arange(clusters), size)


def test_many_clusters_match_statsmodels():
    a, b, clusters = draw_marks(seed=7, clusters=60, size=5)
    differences = a.astype(float) - b
    fit = sm.OLS(differences, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    only_a, only_b = (np.bincount(clusters, weights=marks) for marks in (a & ~b, b & ~a))
    interval = rate_difference_interval(only_a, only_b, np.full(60, 5.0))
    assert (interval.low, interval.high) == pytest.approx(tuple(fit.conf_int()[0]), abs=1e-12)


def test_few_clusters_invert_all_sign_patterns():
    # Student's t covers too little here; the bound is where 5 % of the 256 patterns are as far out.
    only_a = np.array([3.0, 0.0, 2.0, 1.0, 4.0, 1.0, 0.0, 3.0])
    only_b = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.0])
    sums, sizes = only_a - only_b, np.full(8, 5.0)
    interval = rate_difference_interval(only_a, only_b, sizes)
    assert share_as_far(sums, sizes, interval.low - 0.001) <= 0.05 < share_as_far(sums, sizes, interval.low + 0.001)
    assert share_as_far(sums, sizes, interval.high + 0.001) <= 0.05 < share_as_far(sums, sizes, interval.high - 0.001)


def test_five_clusters_decide_nothing():
    interval = rate_difference_interval(np.array([3.0, 4.0, 5.0, 4.0, 3.0]), np.zeros(5), np.full(5, 5.0))
    assert (interval.low, interval.high) == (-1.0, 1.0)


@pytest.mark.parametrize("only_a", [0.0, 3.0], ids=["never", "in all clusters alike"])
def test_equal_clusters_count_as_items(only_a):
    interval = rate_difference_interval(np.full(100, only_a), np.zeros(100), np.full(100, 10.0))
    expected = tango_interval(10 * only_a, 0, 100)
    assert (interval.low, interval.high) == (expected.low, expected.high)


def test_few_differing_clusters_widen_interval():
    # Three of 40: that the other 37 agree says little about how clusters differ.
    only_a = np.array([6.0, 5.0, 7.0] + [0.0] * 37)
    interval = rate_difference_interval(only_a, np.zeros(40), np.full(40, 10.0))
    expected = tango_interval(1.8, 0, 40)
    assert interval.high == expected.high > 0.05


def test_all_sign_flips_are_counted():
    differences = [3, -1, 2, 2, 0, 1]
    totals = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in all_signs(6)]
    beyond, level = (sum(test(abs(t)) for t in totals) / 64 for test in (lambda t: t > 7, lambda t: t == 7))
    assert mid_p_sign_flip(differences) == pytest.approx(beyond + level / 2)


def test_bootstrap_is_deterministic_by_seed():
    a, b, clusters = draw_marks(seed=3, clusters=20, size=6)
    one, again, other = (compare_rates(a, b, clusters, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_mean_of_single_items_has_student_interval():
    values = np.array([0.2, 0.9, 0.4, 0.7, 0.6])
    expected = mean_interval(values.tolist())
    interval = mean_interval_of_clusters(values, list("abcde"), bounds=Interval(0.0, 1.0))
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_mean_of_many_clusters_matches_statsmodels():
    random = np.random.default_rng(5)
    clusters = np.repeat(np.arange(50), 4)
    values = random.normal(300, 20, 200) + np.repeat(random.normal(0, 15, 50), 4)
    fit = sm.OLS(values, np.ones(200)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    interval = mean_interval_of_clusters(values, clusters, bounds=Interval(-np.inf, np.inf))
    assert (interval.low, interval.high) == pytest.approx(tuple(fit.conf_int()[0]))


def test_bootstrap_of_mean_is_scale_free():
    sums, clusters = np.array([3.0, -1, 2, 0, 4, 1, -2, 3]), np.repeat(np.arange(8), 2)
    values = np.column_stack([sums, sums - 1]).ravel()
    one, large = (
        mean_interval_of_clusters(values * scale, clusters, bounds=Interval(-np.inf, np.inf)) for scale in (1, 1e6)
    )
    assert (large.low, large.high) == pytest.approx((one.low * 1e6, one.high * 1e6))
    assert one.low < 0.75 < one.high


def test_five_unbounded_clusters_are_inconclusive():
    values, clusters = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]), np.repeat(np.arange(5), 2)
    interval = mean_interval_of_clusters(values, clusters, bounds=Interval(-np.inf, np.inf))
    assert interval == Interval(-np.inf, np.inf)


def test_equal_values_are_not_certain():
    interval = mean_interval_of_clusters(np.full(100, 0.9), range(100), bounds=Interval(0.0, 1.0))
    assert (interval.low, interval.high) == pytest.approx((0.9 - 0.9 * 0.036993, 0.9 + 0.1 * 0.036993), abs=1e-6)


def test_one_unbounded_item_is_inconclusive():
    assert mean_interval_of_clusters(np.array([7.0]), ["a"], bounds=Interval(0.0, np.inf)).high == np.inf


def test_equal_models_are_not_certainly_equal():
    interval = mean_difference_interval(np.zeros(100), range(100), width=1.0)
    assert (interval.low, interval.high) == pytest.approx((-0.036993, 0.036993), abs=1e-6)


def test_few_differing_clusters_widen_mean_interval():
    # Three of 40 gain a little: the others may yet lose or gain by all of the score's width.
    differences = np.array([0.1, 0.2, 0.1] + [0.0] * 37)
    interval = mean_difference_interval(differences, range(40), width=1.0)
    assert (interval.low, interval.high) == pytest.approx((-0.08762, 0.19866), abs=1e-4)
    assert mean_difference_interval(differences, range(40), width=np.inf) == Interval(-np.inf, np.inf)


def test_few_permutations_are_enumerated():
    differences = np.array([0.5, -0.1, 0.3, 0.2, 0.0, 0.1])
    totals = [abs(np.dot(signs, differences)) for signs in all_signs(6)]
    expected = np.mean([total >= 1.0 - 1e-9 for total in totals])
    assert permutation_p(differences, range(6)) == expected


def test_many_permutations_match_scipy():
    differences = np.random.default_rng(1).normal(0.1, 0.5, 60)
    expected = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=1).pvalue
    assert permutation_p(differences, range(60)) == pytest.approx(expected, abs=0.02)


def test_permutations_flip_whole_clusters():
    differences, clusters = np.array([0.2, 0.3, 0.1, 0.4, 0.2, 0.3]), list("aaabbb")
    assert permutation_p(differences, clusters) == 0.5
    assert permutation_p(differences, list("abcdef")) == 2 / 64


def test_zero_difference_has_p_one():
    assert permutation_p(np.zeros(5), range(5)) == 1.0


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
