"""Paired comparisons: the difference of two models on the same items, its uncertainty, and the finding.

The interval is Tango's for binary scores and Student's for real ones; with clustered items it is cluster-robust.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from nightloom.artifacts.results import Direction, Finding, ScoreKind
from nightloom.statistics.clusters import (
    mean_difference_interval,
    mid_p_sign_flip,
    number_clusters,
    permutation_p,
    rate_difference_interval,
    sum_by_cluster,
)
from nightloom.statistics.intervals import Interval, hull, tango_interval, two_sided_z


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The difference between the mean scores of A and B on the same items.

    Attributes:
        difference: Mean of A minus mean of B.
        interval: Interval of the difference; infinite bounds mean too little data.
        p_value: Two-sided, of the hypothesis that A and B can be swapped in any cluster.
        n: Number of items.
        clusters: Number of clusters.
        only_a: Number of items that only A has right, or None if scores are not binary.
        only_b: Number of items that only B has right, or None if scores are not binary.
    """

    difference: float
    interval: Interval
    p_value: float
    n: int
    clusters: int
    only_a: int | None = None
    only_b: int | None = None


def compare_paired(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[str],
    *,
    kind: ScoreKind,
    width: float = math.inf,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Compare A and B item by item, with the method for the kind of their scores.

    Args:
        a: Score of A on each item.
        b: Score of B on each item, in the same order.
        clusters: Cluster of each item.
        kind: Whether scores are binary (0 wrong, 1 right) or any number. The scorer decides this, not the values, so
            that real scores that happen to be 0 and 1 are compared as on other nights.
        width: Largest possible difference of two real scores; infinite if they are unbounded.
        confidence: Confidence level of the interval.
        seed: Seed of bootstrap and permutations.

    Raises:
        ValueError: The three have different lengths or are empty, or a binary score is neither 0 nor 1.
    """
    if kind == "real":
        return compare_means(a, b, clusters, width=width, confidence=confidence, seed=seed)
    if wrong := {*a, *b} - {0.0, 1.0}:
        msg = f"{min(wrong)} is not a binary score; pass 0 for wrong and 1 for right"
        raise ValueError(msg)
    return compare_rates([*map(bool, a)], [*map(bool, b)], clusters, confidence=confidence, seed=seed)


def compare_rates(
    a: Sequence[bool], b: Sequence[bool], clusters: Sequence[str], *, confidence: float = 0.95, seed: int = 0
) -> PairedDifference:
    """Compare how often A and B are right.

    Args:
        a: Whether A has each item right.
        b: Whether B has each item right, in the same order.
        clusters: Cluster of each item.
        confidence: Confidence level of the interval.
        seed: Seed of the bootstrap below 30 clusters.

    Raises:
        ValueError: The three have different lengths, or are empty.
    """
    _refuse_unpaired(a, b, clusters)
    right_a, right_b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    member, sizes = number_clusters(clusters)
    only_a, only_b = (sum_by_cluster(member, marks) for marks in (right_a & ~right_b, right_b & ~right_a))
    only_a_count, only_b_count = int(only_a.sum()), int(only_b.sum())
    interval = tango_interval(only_a_count, only_b_count, len(a), confidence)
    if len(sizes) < len(a):
        # Clusters can widen the interval of independent items, never narrow it.
        robust = rate_difference_interval(only_a, only_b, sizes, confidence=confidence, seed=seed)
        interval = hull(interval, robust)
    return PairedDifference(
        difference=(only_a_count - only_b_count) / len(a),
        interval=interval,
        p_value=mid_p_sign_flip([round(value) for value in only_a - only_b]),
        n=len(a),
        clusters=len(sizes),
        only_a=only_a_count,
        only_b=only_b_count,
    )


def compare_means(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[str],
    *,
    width: float = math.inf,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Compare the mean scores of A and B.

    Args:
        a: Score of A on each item.
        b: Score of B on each item, in the same order.
        clusters: Cluster of each item.
        width: Largest possible difference of two scores; infinite if they are unbounded.
        confidence: Confidence level of the interval.
        seed: Seed of bootstrap and permutations.

    Raises:
        ValueError: The three have different lengths or are empty, or a score is not finite.
    """
    _refuse_unpaired(a, b, clusters)
    differences = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    if not np.isfinite(differences).all():
        msg = "a score is not finite; leave out items that could not be scored"
        raise ValueError(msg)
    return PairedDifference(
        difference=float(differences.mean()),
        interval=mean_difference_interval(differences, clusters, width=width, confidence=confidence, seed=seed),
        p_value=permutation_p(differences, clusters, seed=seed),
        n=len(a),
        clusters=len(number_clusters(clusters)[1]),
    )


def judge_difference(interval: Interval, margin: float, direction: Direction = "higher") -> Finding:
    """Return the finding for an interval of candidate minus other. The bounds decide, not a p-value.

    For scores where higher is better:

    - BETTER: the interval is above 0.
    - WORSE: the interval is below 0, even within the margin. Otherwise many small, proven losses could pass one after
      another.
    - NOT_WORSE: the interval is above -margin (non-inferiority).
    - INCONCLUSIVE: the interval contains both 0 and a loss larger than the margin.
    """
    low, high = (interval.low, interval.high) if direction == "higher" else (-interval.high, -interval.low)
    if low > 0:
        return "BETTER"
    if high < 0:
        return "WORSE"
    return "NOT_WORSE" if low > -margin else "INCONCLUSIVE"


def mid_p_mcnemar(only_a: int, only_b: int) -> float:
    """Return the two-sided mid-p of McNemar's test: the observed value counts half (Fagerland 2013)."""
    return mid_p_sign_flip([1] * only_a + [-1] * only_b)


def minimum_detectable_effect(n: int, discordant: float = 0.10, power: float = 0.80, confidence: float = 0.95) -> float:
    """Return the minimum detectable paired difference of rates with n items (Miller, arXiv 2411.00640).

    The variance is taken at no difference, where it is largest, so the true value is slightly smaller.

    Args:
        n: Number of items of the eval set.
        discordant: Share of items that exactly one of the two models has right.
        power: Probability of detecting a difference of that size.
        confidence: Confidence level of the interval that must exclude 0.

    Raises:
        ValueError: There is no item.
    """
    if n < 1:
        msg = f"{n} items detect nothing; pass at least one"
        raise ValueError(msg)
    quantiles = two_sided_z(confidence) + NormalDist().inv_cdf(power)
    return min(1.0, quantiles * math.sqrt(discordant / n))


def _refuse_unpaired(a: Sequence[float], b: Sequence[float], clusters: Sequence[str]) -> None:
    if not len(a) == len(b) == len(clusters) > 0:
        msg = f"{len(a)}, {len(b)} and {len(clusters)} values are not paired; pass one of each for every item"
        raise ValueError(msg)
