"""Clusters: uncertainty of means over clustered items, such as near-duplicates or items of one source.

Items of a cluster are not independent, and intervals that ignore this are far too narrow. From 30 clusters on the
interval is Student's t with G - 1 degrees of freedom on the cluster-robust error. Below that it is the inverted wild
cluster bootstrap with the null imposed (Cameron, Gelbach & Miller 2008), because t is too narrow there.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from nightloom.statistics.intervals import Interval, hull, student_quantile, tango_interval, wilson_interval

_ENOUGH_CLUSTERS = 30
_ENOUGH_DISCORDANT = 10  # clusters in which the two models differ
_NO_ERROR = 1e-9
_DRAWS = 1999
_ENUMERATED_CLUSTERS = 11  # 2^11 sign patterns are about as many as _DRAWS
_BLOCK = 4096  # clusters per block of drawn signs: 65 MB
_DOUBLINGS = 40

Floats = npt.NDArray[np.float64]


def number_clusters(clusters: Sequence[str]) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return the number of each item's cluster, and the size of each cluster."""
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    return member, np.bincount(member).astype(np.float64)


def sum_by_cluster(member: npt.NDArray[np.intp], values: npt.NDArray[np.generic]) -> Floats:
    """Return the sum of the values of each cluster."""
    return np.bincount(member, weights=values).astype(np.float64)


def rate_difference_interval(
    only_a: Floats, only_b: Floats, sizes: Floats, *, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Return the cluster-robust interval for the difference of two rates, within [-1, 1].

    Args:
        only_a: Number of items that only A has right, by cluster.
        only_b: Number of items that only B has right, by cluster.
        sizes: Number of items, by cluster.
        confidence: Confidence level.
        seed: Seed of the bootstrap below 30 clusters.
    """
    count, sums = len(sizes), only_a - only_b
    _, error = _estimate(sums, sizes)
    interval = _robust_interval(sums, sizes, Interval(-1.0, 1.0), confidence, seed)
    if error > _NO_ERROR and np.count_nonzero(only_a + only_b) >= min(_ENOUGH_DISCORDANT, count):
        return interval
    # Robust errors are far too small if few clusters differ. Then each cluster also counts as one item.
    share = count / float(sizes.sum())
    effective_a, effective_b = (float(counts.sum()) * share for counts in (only_a, only_b))
    return hull(interval, tango_interval(effective_a, effective_b, count, confidence))


def mean_difference_interval(
    differences: Floats, clusters: Sequence[str], *, width: float, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Return the cluster-robust interval for the mean of paired differences.

    If the models differ in too few clusters, the variation between clusters is unknown. Then the interval allows for
    clusters that differ by the score's whole width, as often as Wilson's interval allows.

    Args:
        differences: A minus B, by item.
        clusters: Cluster of each item.
        width: Largest possible difference of two scores; infinite if scores are unbounded.
        confidence: Confidence level.
        seed: Seed of the bootstrap below 30 clusters.
    """
    interval = mean_interval_of_clusters(
        differences, clusters, bounds=Interval(-width, width), confidence=confidence, seed=seed
    )
    member, sizes = number_clusters(clusters)
    up, down, differing = (
        int(np.count_nonzero(sum_by_cluster(member, marks)))
        for marks in (differences > 0, differences < 0, differences != 0)
    )
    if differing >= min(_ENOUGH_DISCORDANT, len(sizes)):
        return interval
    most_up, most_down = (wilson_interval(seen, len(sizes), confidence).high for seen in (up, down))
    return hull(interval, Interval(-width * most_down, width * most_up))


def mean_interval_of_clusters(
    values: Floats, clusters: Sequence[str], *, bounds: Interval, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Return the cluster-robust interval for a mean.

    If all clusters are equal, their variation is unknown. Then the interval allows for unseen clusters at a bound, as
    often as Wilson's interval allows for unseen events.

    Args:
        values: Value of each item.
        clusters: Cluster of each item.
        bounds: Smallest and largest possible mean, which may be infinite.
        confidence: Confidence level.
        seed: Seed of the bootstrap below 30 clusters.
    """
    member, sizes = number_clusters(clusters)
    sums = sum_by_cluster(member, values)
    estimate, error = _estimate(sums, sizes)
    if error <= _NO_ERROR * float(np.abs(values).max(initial=0.0)):
        unseen = wilson_interval(0, len(sizes), confidence).high
        return Interval(estimate - unseen * (estimate - bounds.low), estimate + unseen * (bounds.high - estimate))
    return _robust_interval(sums, sizes, bounds, confidence, seed)


def mid_p_sign_flip(differences: Sequence[int]) -> float:
    """Return the two-sided mid-p of the hypothesis that A and B can be swapped in any cluster.

    The distribution over all sign patterns is exact, by convolution. With one item per cluster it is McNemar's test.
    """
    from scipy.stats import binom

    if not any(differences):
        return 1.0
    shares = np.ones(1)
    for step, count in sorted(Counter(abs(value) for value in differences if value).items()):
        sums = np.zeros(2 * count * step + 1)
        sums[:: 2 * step] = binom.pmf(np.arange(count + 1), count, 0.5)
        shares = np.convolve(shares, sums)
    distance = np.abs(np.arange(len(shares)) - len(shares) // 2)
    seen = abs(sum(differences))
    return float(min(1.0, shares[distance > seen].sum() + shares[distance == seen].sum() / 2))


def permutation_p(differences: Floats, clusters: Sequence[str], *, seed: int = 0) -> float:
    """Return the two-sided p of the hypothesis that A and B can be swapped in any cluster, for real differences.

    Up to 11 differing clusters all sign patterns are enumerated; beyond, 1,999 are drawn, plus the observed one.
    """
    member, _ = number_clusters(clusters)
    sums = sum_by_cluster(member, differences)
    sums = sums[sums != 0]  # flipping a zero difference changes nothing
    if not len(sums):
        return 1.0
    if len(sums) <= _ENUMERATED_CLUSTERS:
        totals = _sign_patterns(len(sums), seed) @ sums
    else:
        random, totals = np.random.default_rng(seed), np.zeros(_DRAWS)
        for start in range(0, len(sums), _BLOCK):
            block = sums[start : start + _BLOCK]
            totals += 2 * (random.integers(0, 2, (_DRAWS, len(block)), dtype=np.int8) @ block) - block.sum()
        totals = np.append(totals, sums.sum())
    # The tolerance keeps ties equal.
    return float((np.abs(totals) >= abs(sums.sum()) * (1 - 1e-9)).mean())


def _robust_interval(sums: Floats, sizes: Floats, bounds: Interval, confidence: float, seed: int) -> Interval:
    """Return Student's interval, or the bootstrap's for few clusters of several items, within the bounds."""
    estimate, error = _estimate(sums, sizes)
    if len(sizes) < _ENOUGH_CLUSTERS and len(sizes) < sizes.sum():
        return _bootstrap_interval(sums, sizes, bounds, confidence, seed)
    half = student_quantile(confidence, len(sizes) - 1) * error
    return Interval(max(bounds.low, estimate - half), min(bounds.high, estimate + half))


def _estimate(sums: Floats, sizes: Floats) -> tuple[float, float]:
    """Return the ratio of the sums and its cluster-robust standard error, by linearisation."""
    count, items = len(sizes), float(sizes.sum())
    estimate = float(sums.sum() / items)
    if count < 2:
        return estimate, 0.0
    residuals = sums - estimate * sizes
    return estimate, math.sqrt(count / (count - 1) * float(residuals @ residuals)) / items


def _bootstrap_interval(sums: Floats, sizes: Floats, bounds: Interval, confidence: float, seed: int) -> Interval:
    """Return the interval of means that the studentised wild cluster bootstrap does not reject."""
    # A pattern flips the signs of the residuals sums - delta * sizes. Squares stay, so four sums are enough.
    flipped = _sign_patterns(len(sizes), seed) @ np.column_stack([sums, sizes, sums * sizes, sizes * sizes])

    def holds(delta: float) -> bool:
        residuals = sums - delta * sizes
        means = (flipped[:, 0] - delta * flipped[:, 1]) / sizes.sum()
        crossed = flipped[:, 2] - delta * flipped[:, 3]
        spread = residuals @ residuals - 2 * means * crossed + means**2 * (sizes @ sizes)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = means**2 / spread.clip(min=0)
        distance = np.nan_to_num(distance, nan=0.0, posinf=np.inf)  # mean and spread are 0: distance 0
        # The first pattern flips nothing: the observed data. The tolerance keeps ties equal.
        return bool((distance >= distance[0] * (1 - 1e-9)).mean() > 1 - confidence)

    estimate, error = _estimate(sums, sizes)
    low, high = (_outermost(holds, estimate, bound, error) for bound in (bounds.low, bounds.high))
    return Interval(_edge(holds, estimate, low), _edge(holds, estimate, high))


def _sign_patterns(count: int, seed: int) -> Floats:
    """Return sign patterns for a number of clusters, all or a random sample; the first is all plus."""
    if count <= _ENUMERATED_CLUSTERS:
        bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
        return (1 - 2 * bits).astype(np.float64)
    drawn = np.random.default_rng(seed).choice([-1.0, 1.0], size=(_DRAWS, count))
    return np.vstack([np.ones(count), drawn])


def _outermost(holds: Callable[[float], bool], inside: float, bound: float, error: float) -> float:
    """Return the outer end of a search: the bound, or if it is infinite a point that no longer holds."""
    if math.isfinite(bound):
        return bound
    for doubling in range(_DOUBLINGS):
        point = inside + math.copysign(error * 2.0**doubling, bound)
        if not holds(point):
            return point
    return bound


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the edge between a point that holds and one that does not, or the outer point if it holds too."""
    if math.isinf(outside) or holds(outside):
        return outside
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return outside
