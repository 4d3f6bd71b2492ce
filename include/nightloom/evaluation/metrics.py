"""Metrics: per-item scores summed up, overall and by slice, each with the interval that fits its scale."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from nightloom.artifacts.results import Metric, Scale
from nightloom.evaluation.items import list_measures
from nightloom.evaluation.scorers import Scorer, identify_scorer
from nightloom.statistics.clusters import mean_interval_of_clusters
from nightloom.statistics.intervals import Interval, wilson_interval

CONFIDENCE = 0.95
"""Of the intervals of single models: the same for all recipes, so that scores are kept over nights and gates."""


def sum_up(scores: pl.DataFrame, scorers: Sequence[Scorer], fields: Sequence[str]) -> tuple[Metric, ...]:
    """Return the metrics of a SCORES frame: of all items, then of each slice.

    Args:
        scores: A line an item, scorer and field.
        scorers: Those that the items were scored by.
        fields: The answer's fields that were scored.
    """
    slices = [None, *sorted(scores["slice"].drop_nulls().unique())]
    return tuple(
        _measure(scores, scorer, field, part) for part in slices for scorer, field in list_measures(scorers, fields)
    )


def _measure(scores: pl.DataFrame, scorer: Scorer, field: str | None, part: str | None) -> Metric:
    lines = scores.filter(
        pl.col("scorer") == identify_scorer(scorer),
        pl.col("field").eq_missing(field),
        True if part is None else pl.col("slice") == part,
    )
    scored = lines.drop_nulls("value")
    value, interval = _average(scored, scorer.scale)
    return Metric(
        name=field or scorer.name,
        scorer=identify_scorer(scorer),
        scale=scorer.scale,
        slice=part,
        value=value,
        low=round_number(interval.low, scorer.scale),
        high=round_number(interval.high, scorer.scale),
        n=scored.height,
        unscored=lines.height - scored.height,
    )


def _average(scored: pl.DataFrame, scale: Scale) -> tuple[float | None, Interval]:
    values, n = scored["value"].to_numpy(), scored.height
    if scale.kind == "binary":
        correct = int(values.sum())
        return correct / n if n else None, wilson_interval(correct, n, CONFIDENCE)
    bounds = bounds_of(scale)
    if not n:
        return None, bounds
    interval = mean_interval_of_clusters(values, scored["cluster_id"].to_list(), bounds=bounds, confidence=CONFIDENCE)
    return round_number(float(np.mean(values)), scale), interval


def bounds_of(scale: Scale) -> Interval:
    """Return the least and the largest value on a scale; infinite where there is none."""
    least = -math.inf if scale.least is None else scale.least
    return Interval(least, math.inf if scale.most is None else scale.most)


def round_number(value: float, scale: Scale) -> float | None:
    """Return a number as manifests have it: the same on every machine; None if it is infinite.

    Of a rate, six decimals; of others nine digits, since a unit may be of any size.
    """
    if math.isinf(value):
        return None
    return round(value, 6) if scale.kind == "binary" else float(f"{value:.9g}")
