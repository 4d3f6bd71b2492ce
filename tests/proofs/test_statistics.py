"""Proofs of the statistics: coverage of intervals and error rates of verdicts.

If all outcomes can be listed, the figure is exact. The rest is simulated, with few samples in the test suite and many
in `make proofs`; the bounds leave three standard errors for chance.
"""

import os
from functools import cache
from itertools import product

import numpy as np
import pytest
from nightloom.statistics.intervals import tango_interval, wilson_interval
from nightloom.statistics.paired import (
    compare_means,
    compare_rates,
    judge_difference,
    mid_p_mcnemar,
    minimum_detectable_effect,
)
from scipy.stats import binom, multinomial

DRAWS = int(os.environ.get("NIGHTLOOM_PROOF_DRAWS", "60"))


def chance(rate):
    """Three standard errors of a rate over the simulated samples."""
    return 3 * (rate * (1 - rate) / DRAWS) ** 0.5


@pytest.mark.parametrize("n", [20, 50, 100, 500])
def test_wilson_covers_95_percent_on_average(n):
    intervals = [wilson_interval(correct, n) for correct in range(n + 1)]
    coverage = []
    for rate in np.linspace(0.02, 0.98, 97):
        held = [interval.low <= rate <= interval.high for interval in intervals]
        coverage.append(binom.pmf(np.arange(n + 1), n, rate)[held].sum())
    assert 0.949 < np.mean(coverage) < 0.954
    assert min(coverage) > 0.92


@cache
def list_outcomes(n):
    pairs = [(only_a, only_b) for only_a, only_b in product(range(n + 1), repeat=2) if only_a + only_b <= n]
    return pairs, [tango_interval(only_a, only_b, n) for only_a, only_b in pairs]


@pytest.mark.parametrize(
    ("share_a", "share_b"), [(0.02, 0.02), (0.05, 0.05), (0.1, 0.05), (0.3, 0.3), (0.5, 0.1), (0.1, 0), (0.02, 0)]
)
def test_tango_covers_95_percent(share_a, share_b):
    pairs, intervals = list_outcomes(40)
    shares = multinomial.pmf([(a, b, 40 - a - b) for a, b in pairs], 40, [share_a, share_b, 1 - share_a - share_b])
    held = [interval.low <= share_a - share_b <= interval.high for interval in intervals]
    assert shares[held].sum() > 0.945


@pytest.mark.parametrize("discordant", [0.05, 0.1, 0.2, 0.5])
def test_mid_p_rejects_5_percent_at_most(discordant):
    refused = 0.0
    for total, share in enumerate(binom.pmf(np.arange(201), 200, discordant)):
        only_a = np.arange(total + 1)
        small = [mid_p_mcnemar(a, total - a) < 0.05 for a in only_a] if share > 1e-9 else [False] * (total + 1)
        refused += share * binom.pmf(only_a, total, 0.5)[small].sum()
    assert 0.03 < refused < 0.051


def draw_differences(random, clusters, size, alike, share_a, share_b):
    """Differences of items; two of one cluster correlate by `alike`, because some take the cluster's common draw."""

    def draw(shape):
        at = random.random(shape)
        return np.where(at < share_a, 1, np.where(at < share_a + share_b, -1, 0))

    common = random.random((clusters, size)) < alike**0.5
    return np.where(common, draw((clusters, 1)), draw((clusters, size))).ravel()


def simulate(clusters, size, alike, share_a, share_b):
    """Return the shares of intervals above the truth and below it, and of naive intervals that cover it."""
    random, true = np.random.default_rng(20), share_a - share_b
    above = below = naive = 0
    for _ in range(DRAWS):
        differences = draw_differences(random, clusters, size, alike, share_a, share_b)
        a, b = differences > 0, differences < 0
        paired = compare_rates(a, b, np.repeat(np.arange(clusters), size))
        alone = tango_interval(int(a.sum()), int(b.sum()), len(a))
        above, below = above + (paired.interval.low > true), below + (paired.interval.high < true)
        naive += alone.low <= true <= alone.high
    return above / DRAWS, below / DRAWS, naive / DRAWS


@pytest.mark.parametrize("shares", [(0.08, 0.08), (0.01, 0.04), (0.25, 0.15)], ids=["equal", "rare", "common"])
@pytest.mark.parametrize("alike", [0, 0.4])
@pytest.mark.parametrize(("clusters", "size"), [(6, 20), (10, 20), (29, 10), (40, 10), (100, 5), (300, 2)])
def test_cluster_intervals_cover_93_percent(clusters, size, alike, shares):
    above, below, _ = simulate(clusters, size, alike, *shares)
    assert above < 0.045 + chance(0.045)
    assert above + below < 0.07 + chance(0.07)


def test_naive_intervals_undercover_clusters():
    _, _, naive = simulate(clusters=29, size=10, alike=0.4, share_a=0.25, share_b=0.15)
    assert naive < 0.75


def draw_scores(random, clusters, size, alike, shape):
    """Differences of scores within [-1, 1] with mean 0; two of one cluster correlate by `alike`."""
    common, own = random.normal(0, alike**0.5, (clusters, 1)), random.normal(0, (1 - alike) ** 0.5, (clusters, size))
    normal = common + own
    if shape == "skewed":  # most items lose a little, a few gain much
        return ((np.exp(0.8 * normal) - np.exp(0.32)) / 20).clip(-1, 1).ravel()
    return (normal / 6).clip(-1, 1).ravel()


@pytest.mark.parametrize("shape", ["even", "skewed"])
@pytest.mark.parametrize("alike", [0, 0.4])
@pytest.mark.parametrize(("clusters", "size"), [(10, 20), (29, 10), (40, 10), (300, 1)])
def test_mean_difference_intervals_cover_92_percent(clusters, size, alike, shape):
    random, held = np.random.default_rng(20), 0
    for _ in range(DRAWS):
        differences = draw_scores(random, clusters, size, alike, shape)
        members = np.repeat(np.arange(clusters), size)
        paired = compare_means(differences, np.zeros(len(differences)), members, width=2.0)
        held += paired.interval.low <= 0 <= paired.interval.high
    assert held / DRAWS > 0.92 - chance(0.08)


@pytest.mark.parametrize("differing", [0.002, 0.01])
def test_rare_differences_seldom_count_as_better(differing):
    random, wrong = np.random.default_rng(20), 0
    for _ in range(DRAWS):
        differences = (random.random(300) < differing) * random.choice([-1.0, 1.0], 300)
        paired = compare_means(differences, np.zeros(300), np.arange(300), width=1.0)
        wrong += judge_difference(paired.interval, margin=0.02) in ("BETTER", "WORSE")
    assert wrong / DRAWS < 0.03 + chance(0.03)


@cache
def is_better(only_a, only_b, n):
    return judge_difference(tango_interval(only_a, only_b, n), margin=0.02) == "BETTER"


@pytest.mark.parametrize(("n", "discordant"), [(200, 0.1), (500, 0.1), (500, 0.2), (2000, 0.1)])
def test_stated_gain_is_found_at_80_percent(n, discordant):
    gain = minimum_detectable_effect(n, discordant)
    share_a, share_b = (discordant + gain) / 2, (discordant - gain) / 2
    draws = np.random.default_rng(20).multinomial(n, [share_a, share_b, 1 - discordant], size=DRAWS)
    found = np.mean([is_better(int(a), int(b), n) for a, b, _ in draws])
    assert 0.79 - chance(0.8) < found < 0.85 + chance(0.8)


@pytest.mark.parametrize("discordant", [0.02, 0.1, 0.3])
def test_equal_models_rarely_count_as_better(discordant):
    draws = np.random.default_rng(20).multinomial(500, [discordant / 2, discordant / 2, 1 - discordant], size=DRAWS)
    wrong = np.mean([is_better(int(a), int(b), 500) for a, b, _ in draws])
    assert wrong < 0.03 + chance(0.025)
