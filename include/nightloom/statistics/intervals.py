"""Intervals: for rates and differences of paired rates, by inverting score tests, and for means.

Score intervals keep their level for a few dozen items and for rates near 0 and 1, where the normal approximation does
not (Brown, Cai & DasGupta 2001; Bowyer et al. 2025, arXiv 2503.01747).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev


@dataclass(frozen=True, slots=True)
class Interval:
    """A lower and an upper bound."""

    low: float
    high: float


def hull(one: Interval, other: Interval) -> Interval:
    """Return the smallest interval that contains both."""
    return Interval(min(one.low, other.low), max(one.high, other.high))


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Return the score interval of a rate (Wilson 1927), or [0, 1] without items."""
    if n == 0:
        return Interval(0.0, 1.0)
    z2 = two_sided_z(confidence) ** 2
    rate = correct / n
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * rate * (1 - rate) / n + (z2 / (2 * n)) ** 2) / (1 + z2 / n)
    # At 0 and n the bound is exactly 0 or 1, without rounding errors.
    return Interval(0.0 if correct == 0 else centre - half, 1.0 if correct == n else centre + half)


def tango_interval(only_a: float, only_b: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the score interval for the difference of two paired rates, A minus B (Tango 1998).

    Args:
        only_a: Number of items that only A has right.
        only_b: Number of items that only B has right.
        n: Number of all items. All three may be fractions, for effective counts.
        confidence: Confidence level.
    """
    if n == 0:
        return Interval(-1.0, 1.0)
    z = two_sided_z(confidence)
    estimate = (only_a - only_b) / n
    low = _bisect(lambda delta: _tango_statistic(only_a, only_b, n, delta) > z, -1.0, estimate)
    high = _bisect(lambda delta: _tango_statistic(only_a, only_b, n, delta) >= -z, estimate, 1.0)
    return Interval(low, high)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return Student's interval of a mean, or None for fewer than two values."""
    if len(values) < 2:
        return None
    half = student_quantile(confidence, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(fmean(values) - half, fmean(values) + half)


def student_quantile(confidence: float, degrees: int) -> float:
    """Return the two-sided quantile of Student's t for a confidence level."""
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, degrees))


def two_sided_z(confidence: float) -> float:
    """Return the two-sided normal quantile for a confidence level."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _tango_statistic(only_a: float, only_b: float, n: float, delta: float) -> float:
    """Return the score statistic of the observed counts under the true difference `delta`; falls as delta grows."""
    b = -only_a - only_b + (2 * n - only_a + only_b) * delta
    c = -only_b * delta * (1 - delta)
    root = math.sqrt(max(0.0, b * b - 8 * n * c))
    # The positive root of 2n q² + b q + c, in the form that does not subtract nearly equal numbers.
    share_only_b = -2 * c / (b + root) if b > 0 else (root - b) / (4 * n)
    variance = max(0.0, n * (2 * share_only_b + delta * (1 - delta)))
    excess = only_a - only_b - n * delta
    if variance == 0.0:
        return math.copysign(math.inf, excess) if excess else 0.0
    return excess / math.sqrt(variance)


def _bisect(holds: Callable[[float], bool], left: float, right: float) -> float:
    """Return the point up to which `holds` is true; it changes once between left and right."""
    if holds(right):
        return right
    if not holds(left):
        return left
    for _ in range(60):
        middle = (left + right) / 2
        left, right = (middle, right) if holds(middle) else (left, middle)
    return (left + right) / 2
