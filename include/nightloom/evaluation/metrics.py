"""Metrics: per-item scores aggregated overall and by slice, each with the interval that fits its scale."""

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
"""Confidence of a single model's intervals: the same for all recipes, so that cached scores fit every gate."""


def compute_metrics(scores: pl.DataFrame, scorers: Sequence[Scorer], fields: Sequence[str]) -> tuple[Metric, ...]:
    """Return the metrics of a SCORES frame: over all items, then by slice.

    Args:
        scores: SCORES frame, one row per item, scorer and field.
        scorers: Scorers of the items.
        fields: Scored fields of the answer.
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
    """Return the least and the largest value on a scale; infinite if the scale has no bound."""
    least = -math.inf if scale.least is None else scale.least
    return Interval(least, math.inf if scale.most is None else scale.most)


def round_number(value: float, scale: Scale) -> float | None:
    """Return a number rounded for a manifest, the same on every machine, or None if it is infinite.

    A rate has six decimals. Other numbers have nine significant digits, because their unit may have any size.
    """
    if math.isinf(value):
        return None
    return round(value, 6) if scale.kind == "binary" else float(f"{value:.9g}")
