"""Limits: how far a night's batch may differ from earlier nights, and the expectations that check it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from nightloom.core.counts import show_count
from nightloom.recipes.limits import Limits, Volume
from nightloom.recipes.schema import AnswerField

Counts = Mapping[str, int]

FEWEST_NIGHTS = 3
"""With fewer earlier nights, the usual volume is unknown."""

_CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class Earlier:
    """Statistics of earlier nights; on the first night there are none, and no limit applies."""

    rows: tuple[int, ...] = ()  # received rows of each of the last finished nights, newest first
    new_rows: tuple[float, ...] = ()  # of these, rows within the night's cut, for each of its days
    labels: Mapping[str, Counts] = field(
        default_factory=dict
    )  # of the last snapshot: field → value → number of examples
    text_lengths: Counts = field(default_factory=dict)  # of the last snapshot: see `ExampleStats.text_lengths`


FIRST_NIGHT = Earlier()


def measure_volume(rows: int, earlier: Sequence[float]) -> float | None:
    """Return the rows divided by the median of earlier nights, or None if it is unknown."""
    usual = median(earlier) if len(earlier) >= FEWEST_NIGHTS else 0
    return rows / usual if usual else None


def has_usual_volume(rows: int, earlier: Sequence[float], at_least: float | None, at_most: float | None) -> bool:
    """Whether the rows are within factors of the median, or so near that chance explains it.

    Small counts vary a lot. A count beyond a limit is accepted if a night with an expected count at the limit would
    exceed it with a probability of at least 1 %.
    """
    from scipy.stats import poisson

    factor = measure_volume(rows, earlier)
    if factor is None:
        return True
    usual = median(earlier)
    if at_least is not None and factor < at_least:
        return bool(poisson.cdf(rows, at_least * usual) >= _CHANCE)
    if at_most is not None and factor > at_most:
        return bool(poisson.sf(rows - 1, at_most * usual) >= _CHANCE)
    return True


def measure_distance(counts: Counts, earlier: Counts) -> float | None:
    """Return the total variation distance of two distributions, 0 to 1, or None if one of them is empty."""
    n, m = sum(counts.values()), sum(earlier.values())
    if not n or not m:
        return None
    # An exact sum does not depend on the order of names, which differs between processes.
    moved = math.fsum(abs(counts.get(name, 0) / n - earlier.get(name, 0) / m) for name in {*counts, *earlier})
    return min(moved / 2, 1.0)


def distance_by_chance(counts: Counts, earlier: Counts) -> float:
    """Return the distance that two samples of one distribution exceed with a probability of at most 1 %.

    It is the expected distance, by the standard errors of the shares, plus McDiarmid's bound on the deviation.
    """
    n, m = sum(counts.values()), sum(earlier.values())
    spread = 1 / n + 1 / m
    shares = [(counts.get(name, 0) + earlier.get(name, 0)) / (n + m) for name in {*counts, *earlier}]
    expected = math.fsum(math.sqrt(share * (1 - share) * spread) for share in shares) / 2
    return expected + math.sqrt(math.log(1 / _CHANCE) * spread / 2)


def resembles(counts: Counts, earlier: Counts, at_most: float) -> bool:
    """Whether the distance of two distributions is within the limit, or explained by chance."""
    distance = measure_distance(counts, earlier)
    return distance is None or distance <= max(at_most, distance_by_chance(counts, earlier))


def format_number(number: float) -> str:
    """Format a number with at most four decimals and no trailing zeros."""
    return f"{number:.4f}".rstrip("0").rstrip(".")


def list_record_limits(limits: Limits, earlier: Earlier, cut_to: datetime, cut_days: int = 1) -> list[dict[str, Any]]:
    """Return the expectations of records as a batch, on the statistics of RECORD_STATS.

    Args:
        limits: The recipe's limits.
        earlier: Statistics of earlier nights.
        cut_to: End of the night's cut.
        cut_days: Days in the cut. A cut of several days, after a pause, has as many times the usual new rows.
    """
    expected = []
    if limits.volume is not None:
        expected.append(_expect_volume("received", "volume", limits.volume, earlier.rows))
    if limits.new_rows is not None and cut_days:
        usual = [rows * cut_days for rows in earlier.new_rows]
        expected.append(_expect_volume("new_rows", "new_rows", limits.new_rows, usual))
    if limits.freshness_hours is not None:
        refusal = (
            "the newest row is from {newest}, {measured} hours before the end of the night's cut; "
            "prepare.limits.freshness_hours requires {limit}"
        )
        kwargs = {"column": "newest", "hours": limits.freshness_hours, "moment": cut_to.isoformat()}
        expected.append(_expect("expect_newest_time_to_be_fresh", kwargs, refusal))
    return expected


def list_example_limits(limits: Limits, earlier: Earlier, answer: Mapping[str, AnswerField]) -> list[dict[str, Any]]:
    """Return the expectations of examples as a batch, on labels and text lengths."""
    expected = []
    for name in answer if limits.label_drift is not None else ():
        if earlier.labels.get(name):
            what = f"the distribution of the labels of {name!r} differs from the last snapshot"
            column = f"labels.{name}"
            expected.append(_expect_distribution(column, "label_drift", limits.label_drift, earlier.labels[name], what))
    if limits.text_length_drift is not None and earlier.text_lengths:
        what = "the distribution of text lengths differs from the last snapshot"
        expected.append(
            _expect_distribution(
                "text_lengths", "text_length_drift", limits.text_length_drift, earlier.text_lengths, what
            )
        )
    return expected


def _expect_volume(statistic: str, limit: str, volume: Volume, earlier: Sequence[float]) -> dict[str, Any]:
    nights = list(earlier[: volume.nights])
    usual = format_number(median(nights)) if nights else "none"
    rows = "rows" if statistic == "received" else "new rows"
    refusal = (
        f"{{{statistic}}} {rows} were received, {{measured}} times the median of "
        f"the last {show_count(len(nights), 'night')} ({usual}); prepare.limits.{limit} requires {{limit}} times"
    )
    kwargs = {"column": statistic, "earlier": nights, "at_least": volume.at_least, "at_most": volume.at_most}
    return _expect("expect_volume_to_resemble_earlier_nights", kwargs, refusal)


def _expect_distribution(column: str, limit: str, at_most: float | None, earlier: Counts, what: str) -> dict[str, Any]:
    refusal = f"{what}, by {{measured}} in total variation distance; prepare.limits.{limit} requires {{limit}}"
    kwargs = {"column": column, "earlier": dict(earlier), "at_most": at_most}
    return _expect("expect_distribution_to_resemble_last_snapshot", kwargs, refusal)


def _expect(kind: str, kwargs: Mapping[str, Any], refusal: str) -> dict[str, Any]:
    return {"type": kind, "kwargs": dict(kwargs), "meta": {"refusal": refusal}}
