"""Paired comparison of two models on the same items: the difference, its uncertainty, and what it shows.

Of right and wrong the interval is Tango's, of other scores Student's; where items share clusters, it is cluster-robust.
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
    """How far the mean score of A lies from that of B on the same items.

    Attributes:
        difference: Mean of A minus mean of B.
        interval: Of the difference; infinite bounds: there is too little to say.
        p_value: Two-sided, of the hypothesis that A and B could be swapped in any cluster.
        n: Items.
        clusters: Clusters of items.
        only_a: Items that only A has right; None where scores are not right or wrong.
        only_b: Items that only B has right; likewise.
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
    """Compare A and B item by item, by the method that fits the kind of their scores.

    Args:
        a: Score of A on each item.
        b: Score of B on each item, in the same order.
        clusters: The cluster of each item.
        kind: Whether scores are 0 or 1, for wrong and right, or any number. The scorer says it, not the values:
            scores that happen to be 0 and 1 tonight are compared as they were yesterday.
        width: The largest difference that two real scores can have; infinite where they have no bounds.
        confidence: Of the interval.
        seed: Of bootstrap and permutations.

    Raises:
        ValueError: The three are not equally long, or empty; or a binary score is neither 0 nor 1.
    """
    if kind == "real":
        return compare_means(a, b, clusters, width=width, confidence=confidence, seed=seed)
    if wrong := {*a, *b} - {0.0, 1.0}:
        msg = f"{min(wrong)} is no binary score; give 0 for wrong and 1 for right"
        raise ValueError(msg)
    return compare_rates([*map(bool, a)], [*map(bool, b)], clusters, confidence=confidence, seed=seed)


def compare_rates(
    a: Sequence[bool], b: Sequence[bool], clusters: Sequence[str], *, confidence: float = 0.95, seed: int = 0
) -> PairedDifference:
    """Compare how often A and B are right.

    Args:
        a: Whether A has each item right.
        b: The same of B, in the same order.
        clusters: The cluster of each item.
        confidence: Of the interval.
        seed: Of the bootstrap below 30 clusters.

    Raises:
        ValueError: The three are not equally long, or empty.
    """
    _refuse_unpaired(a, b, clusters)
    right_a, right_b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    member, sizes = number_clusters(clusters)
    only_a, only_b = (sum_by_cluster(member, marks) for marks in (right_a & ~right_b, right_b & ~right_a))
    only_a_count, only_b_count = int(only_a.sum()), int(only_b.sum())
    interval = tango_interval(only_a_count, only_b_count, len(a), confidence)
    if len(sizes) < len(a):
        # Clusters may make a comparison less certain than independent items, never more.
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
        clusters: The cluster of each item.
        width: The largest difference that two scores can have; infinite where they have no bounds.
        confidence: Of the interval.
        seed: Of bootstrap and permutations.

    Raises:
        ValueError: The three are not equally long, or empty; or a score is not finite.
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
    """Return what an interval of candidate minus other shows. The bounds decide, never a p-value.

    For scores of which the higher is better:

    - BETTER: all of it lies above 0.
    - WORSE: all of it lies below 0, however little. A loss within the margin is one that could not be told from none;
      one that is shown counts, or the champion would walk downhill in steps each small enough to pass.
    - NOT_WORSE: all of it lies above -margin (non-inferiority).
    - INCONCLUSIVE: it holds both 0 and a loss that would matter.
    """
    low, high = (interval.low, interval.high) if direction == "higher" else (-interval.high, -interval.low)
    if low > 0:
        return "BETTER"
    if high < 0:
        return "WORSE"
    return "NOT_WORSE" if low > -margin else "INCONCLUSIVE"


def mid_p_mcnemar(only_a: int, only_b: int) -> float:
    """Return the two-sided mid-p of McNemar's test: half the probability of what was seen counts (Fagerland 2013)."""
    return mid_p_sign_flip([1] * only_a + [-1] * only_b)


def minimum_detectable_effect(n: int, discordant: float = 0.10, power: float = 0.80, confidence: float = 0.95) -> float:
    """Return the smallest paired difference of rates that n items show with this power (Miller, arXiv 2411.00640).

    The variance is taken at no difference, where it is largest: the true figure is a little smaller.

    Args:
        n: Items of the eval set.
        discordant: Share of items that exactly one of the two models has right.
        power: Chance of finding a difference of that size.
        confidence: Of the interval that must exclude 0.

    Raises:
        ValueError: There is no item.
    """
    if n < 1:
        msg = f"{n} items show nothing; give at least one"
        raise ValueError(msg)
    quantiles = two_sided_z(confidence) + NormalDist().inv_cdf(power)
    return min(1.0, quantiles * math.sqrt(discordant / n))


def _refuse_unpaired(a: Sequence[float], b: Sequence[float], clusters: Sequence[str]) -> None:
    if not len(a) == len(b) == len(clusters) > 0:
        msg = f"{len(a)}, {len(b)} and {len(clusters)} values are no pairs; give one of each for every item"
        raise ValueError(msg)
