"""Metrics: per-item scores summed up, overall and by slice, each with its interval."""

from collections.abc import Sequence

import polars as pl

from nightloom.artifacts.results import Metric
from nightloom.statistics.intervals import wilson_interval

CONFIDENCE = 0.95
"""Of the intervals of single models: the same for all recipes, so that scores are kept over nights and gates."""


def sum_up(scores: pl.DataFrame, fields: Sequence[str], *, form: bool) -> tuple[Metric, ...]:
    """Give the metrics of a SCORES frame.

    Args:
        scores: One line an item.
        fields: The answer's fields that were scored.
        form: Also how many items have all fields right (`exact`) and how many the right form (`valid`).
    """
    columns = [pl.col("correct").list.contains(field).alias(field) for field in fields]
    if form:
        columns += [(pl.col("correct").list.len() == len(fields)).alias("exact"), pl.col("valid")]
    marks = scores.select("slice", *columns)
    groups: list[tuple[str | None, pl.DataFrame]] = [(None, marks)]
    for name in sorted(marks["slice"].drop_nulls().unique()):
        groups.append((name, marks.filter(pl.col("slice") == name)))
    return tuple(
        _rate(column, name, group[column]) for name, group in groups for column in marks.columns if column != "slice"
    )


def _rate(name: str, part: str | None, marks: pl.Series) -> Metric:
    correct, n = int(marks.sum()), len(marks)
    interval = wilson_interval(correct, n, CONFIDENCE)
    return Metric(name=name, slice=part, correct=correct, n=n, low=round(interval.low, 6), high=round(interval.high, 6))
