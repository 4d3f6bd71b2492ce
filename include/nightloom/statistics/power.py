"""Power: what a comparison can show, said before it is made."""

import math
from statistics import NormalDist

from nightloom.statistics.intervals import two_sided_z


def minimum_detectable_effect(n: int, discordant: float = 0.10, power: float = 0.80, confidence: float = 0.95) -> float:
    """Give the smallest paired difference that n items show with this power (Miller 2024, arXiv 2411.00640).

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
