"""Configurations: which settings are best over several seeds, and whether seeds alone explain the lead."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from nightloom.statistics.intervals import Interval, mean_interval

Losses = Mapping[int, Mapping[int, float]]
"""Configuration → seed → loss."""


@dataclass(frozen=True, slots=True)
class BestConfiguration:
    """The configuration with the lowest mean loss, compared with the runner-up.

    Attributes:
        configuration: Its number.
        mean: Mean loss over its seeds.
        interval: Interval of the mean over seeds, or None if there is one seed only.
        seeds: How many seeds it was trained with.
        runner_up: The configuration with the next lowest mean, or None if there is only one.
        difference: Its mean minus the runner-up's, over shared seeds, or None if they share no seed.
        difference_interval: Of the difference, paired by seed.
        pairs: How many seeds both have.
    """

    configuration: int
    mean: float
    interval: Interval | None
    seeds: int
    runner_up: int | None = None
    difference: float | None = None
    difference_interval: Interval | None = None
    pairs: int = 0

    @property
    def is_distinct(self) -> bool:
        """Whether its lead over the runner-up is larger than the variation between seeds."""
        return self.difference_interval is not None and self.difference_interval.high < 0


def order_configurations(losses: Losses) -> list[int]:
    """Return the numbers of configurations by mean loss over seeds, lowest first; ties by number."""
    return sorted(losses, key=lambda number: (fmean(losses[number].values()), number))


def compare_configurations(losses: Losses, confidence: float = 0.95) -> BestConfiguration:
    """Compare the best configuration with the runner-up, paired by seed.

    The comparison uses the losses that selected the best configuration, so its lead is slightly optimistic.

    Args:
        losses: At least one configuration with at least one seed.
        confidence: Confidence level of the intervals.
    """
    best, *others = order_configurations(losses)
    values = list(losses[best].values())
    alone = BestConfiguration(best, fmean(values), mean_interval(values, confidence), len(values))
    if not others:
        return alone
    shared = sorted(losses[best].keys() & losses[others[0]].keys())
    differences = [losses[best][seed] - losses[others[0]][seed] for seed in shared]
    return BestConfiguration(
        configuration=alone.configuration,
        mean=alone.mean,
        interval=alone.interval,
        seeds=alone.seeds,
        runner_up=others[0],
        difference=fmean(differences) if differences else None,
        difference_interval=mean_interval(differences, confidence),
        pairs=len(shared),
    )
