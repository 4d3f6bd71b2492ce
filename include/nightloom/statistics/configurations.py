"""Draws: which settings are best when each was trained with several seeds, and whether seeds alone explain it."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from nightloom.statistics.intervals import Interval, mean_interval

Losses = Mapping[int, Mapping[int, float]]
"""Draw → seed → loss."""


@dataclass(frozen=True, slots=True)
class BestDraw:
    """The draw with the lowest mean loss, beside the next.

    Attributes:
        draw: Its number.
        mean: Of its seeds.
        interval: Of the mean over seeds; none: one seed tells no spread.
        seeds: How many seeds it was trained with.
        next_draw: The draw with the next lowest mean; none: it is the only one.
        difference: Its mean less that of the next, over the seeds that both have; none: they share none.
        difference_interval: Of the difference, paired by seed.
        pairs: How many seeds both have.
    """

    draw: int
    mean: float
    interval: Interval | None
    seeds: int
    next_draw: int | None = None
    difference: float | None = None
    difference_interval: Interval | None = None
    pairs: int = 0

    @property
    def is_distinct(self) -> bool:
        """Whether it is better than the next by more than seeds differ."""
        return self.difference_interval is not None and self.difference_interval.high < 0


def order_draws(losses: Losses) -> list[int]:
    """Return the numbers of draws by the mean loss of their seeds, the lowest first; of equal ones the lower number."""
    return sorted(losses, key=lambda draw: (fmean(losses[draw].values()), draw))


def compare_draws(losses: Losses, confidence: float = 0.95) -> BestDraw:
    """Describe how far the best draw is from the next one, beside how far apart seeds are.

    The best of many is compared on the losses that it was chosen by, so its lead is a little too large.

    Args:
        losses: Of at least one draw with at least one seed.
        confidence: Of the intervals.
    """
    best, *others = order_draws(losses)
    values = list(losses[best].values())
    alone = BestDraw(best, fmean(values), mean_interval(values, confidence), len(values))
    if not others:
        return alone
    shared = sorted(losses[best].keys() & losses[others[0]].keys())
    differences = [losses[best][seed] - losses[others[0]][seed] for seed in shared]
    return BestDraw(
        draw=alone.draw,
        mean=alone.mean,
        interval=alone.interval,
        seeds=alone.seeds,
        next_draw=others[0],
        difference=fmean(differences) if differences else None,
        difference_interval=mean_interval(differences, confidence),
        pairs=len(shared),
    )
