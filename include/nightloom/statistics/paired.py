"""Paired comparison of two models on the same items, right or wrong, with clusters respected.

Items of one cluster (near-duplicates, one source) are not independent: errors that ignore it cover far too little.
Where every item is its own cluster, the interval is Tango's; else it is cluster-robust, Student's t with G - 1 degrees
of freedom from 30 clusters on, and below that the inverted wild cluster bootstrap with the null imposed (Cameron,
Gelbach & Miller 2008), because t covers too little there.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nightloom.statistics.intervals import Interval, student_quantile, tango_interval

_ENOUGH_CLUSTERS = 30
_ENOUGH_DISCORDANT = 10  # clusters in which exactly one model has some item right
_NO_ERROR = 1e-9
_DRAWS = 1999
_ENUMERATED_CLUSTERS = 11  # 2^11 sign patterns are about as many as the draws

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much more often A is right than B, with its uncertainty."""

    n: int
    clusters: int
    only_a: int
    only_b: int
    difference: float
    low: float
    high: float
    p_value: float


def compare_paired(
    a: Sequence[bool], b: Sequence[bool], clusters: Sequence[str], *, confidence: float = 0.95, seed: int = 0
) -> PairedDifference:
    """Compare A and B item by item.

    Args:
        a: Whether A has each item right.
        b: The same of B, in the same order.
        clusters: The cluster of each item.
        confidence: Of the interval.
        seed: Of the bootstrap below 30 clusters.

    Raises:
        ValueError: The three are not equally long, or empty.
    """
    if not len(a) == len(b) == len(clusters) > 0:
        msg = f"{len(a)}, {len(b)} and {len(clusters)} values are no pairs; give one of each for every item"
        raise ValueError(msg)
    right_a, right_b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    sizes, only_a, only_b = (
        np.bincount(member, weights=marks).astype(np.float64)
        for marks in (np.ones(len(a)), right_a & ~right_b, right_b & ~right_a)
    )
    only_a_count, only_b_count = int(only_a.sum()), int(only_b.sum())
    interval = tango_interval(only_a_count, only_b_count, len(a), confidence)
    if len(sizes) < len(a):
        # Clusters may make a comparison less certain than independent items, never more.
        interval = _hull(interval, cluster_interval(only_a, only_b, sizes, confidence=confidence, seed=seed))
    return PairedDifference(
        n=len(a),
        clusters=len(sizes),
        only_a=only_a_count,
        only_b=only_b_count,
        difference=(only_a_count - only_b_count) / len(a),
        low=interval.low,
        high=interval.high,
        p_value=mid_p_sign_flip([round(value) for value in only_a - only_b]),
    )


def cluster_interval(
    only_a: Floats, only_b: Floats, sizes: Floats, *, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Give the cluster-robust interval of the difference, within [-1, 1].

    Args:
        only_a: Items of each cluster that only A has right.
        only_b: Items of each cluster that only B has right.
        sizes: Items of each cluster.
        confidence: Share of intervals that hold the true difference.
        seed: Of the bootstrap below 30 clusters.
    """
    count, sums = len(sizes), only_a - only_b
    estimate, error = _estimate(sums, sizes)
    if count < _ENOUGH_CLUSTERS:
        interval = _bootstrap_interval(sums, sizes, confidence, seed)
    else:
        half = student_quantile(confidence, count - 1) * error
        interval = Interval(max(-1.0, estimate - half), min(1.0, estimate + half))
    if error > _NO_ERROR and np.count_nonzero(only_a + only_b) >= min(_ENOUGH_DISCORDANT, count):
        return interval
    # Robust errors come from how clusters differ. Where few do, they are far too small: count each cluster as one item.
    share = count / float(sizes.sum())
    effective_a, effective_b = (float(counts.sum()) * share for counts in (only_a, only_b))
    return _hull(interval, tango_interval(effective_a, effective_b, count, confidence))


def mid_p_mcnemar(only_a: int, only_b: int) -> float:
    """Give the two-sided mid-p of McNemar's test: half of the probability of what was seen counts (Fagerland 2013)."""
    return mid_p_sign_flip([1] * only_a + [-1] * only_b)


def mid_p_sign_flip(differences: Sequence[int]) -> float:
    """Give the two-sided mid-p of the hypothesis that A and B could be swapped in any cluster.

    The distribution over all sign patterns is exact, by convolution. With one item a cluster it is McNemar's.
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


def _estimate(sums: Floats, sizes: Floats) -> tuple[float, float]:
    """Give the ratio of the sums and its cluster-robust standard error, by linearisation."""
    count, items = len(sizes), float(sizes.sum())
    estimate = float(sums.sum() / items)
    if count < 2:
        return estimate, 0.0
    residuals = sums - estimate * sizes
    return estimate, math.sqrt(count / (count - 1) * float(residuals @ residuals)) / items


def _bootstrap_interval(sums: Floats, sizes: Floats, confidence: float, seed: int) -> Interval:
    """Invert the studentised wild cluster bootstrap: the differences that enough sign patterns are as far from."""
    # A pattern flips the residuals sums - delta * sizes. Their squares stay, so four sums tell all there is of it.
    flipped = _sign_patterns(len(sizes), seed) @ np.column_stack([sums, sizes, sums * sizes, sizes * sizes])

    def holds(delta: float) -> bool:
        residuals = sums - delta * sizes
        means = (flipped[:, 0] - delta * flipped[:, 1]) / sizes.sum()
        crossed = flipped[:, 2] - delta * flipped[:, 3]
        spread = residuals @ residuals - 2 * means * crossed + means**2 * (sizes @ sizes)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = means**2 / spread.clip(min=0)
        distance = np.nan_to_num(distance, nan=0.0, posinf=np.inf)  # neither mean nor spread: not far from 0
        # The first pattern flips nothing: it is what was seen. The tolerance keeps ties ties.
        return bool((distance >= distance[0] * (1 - 1e-9)).mean() > 1 - confidence)

    estimate, _ = _estimate(sums, sizes)
    return Interval(_edge(holds, estimate, -1.0), _edge(holds, estimate, 1.0))


def _sign_patterns(count: int, seed: int) -> Floats:
    """Give sign patterns of so many clusters, all or as many as are drawn; the first one has no minus."""
    if count <= _ENUMERATED_CLUSTERS:
        bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
        return (1 - 2 * bits).astype(np.float64)
    drawn = np.random.default_rng(seed).choice([-1.0, 1.0], size=(_DRAWS, count))
    return np.vstack([np.ones(count), drawn])


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Give the bound between a point that holds and one that does not, or the outer point if that holds too."""
    if holds(outside):
        return outside
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return outside


def _hull(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.low, other.low), max(one.high, other.high))
