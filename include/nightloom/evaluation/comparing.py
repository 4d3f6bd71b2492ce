"""Comparing: a paired comparison of two models' scores on the same items, with its finding."""

import math
from dataclasses import dataclass

import polars as pl

from nightloom.artifacts.frames import SCORES, get_frame
from nightloom.artifacts.results import Against, Comparison, Metric, Scale, Scores
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.evaluation.metrics import bounds_of, round_number
from nightloom.statistics.intervals import Interval
from nightloom.statistics.paired import PairedDifference, compare_paired, judge_difference

_SEED = 0


@dataclass(frozen=True, slots=True)
class Criterion:
    """Metric, margin and confidence of a comparison.

    Attributes:
        metric: Name of the metric.
        margin: Largest loss that counts as not worse, in the metric's unit.
        confidence: Confidence of the interval that decides.
    """

    metric: str
    margin: float
    confidence: float


def compare_scores(
    store: ObjectStore,
    candidate: Scores,
    other: Scores,
    criterion: Criterion,
    *,
    against: Against,
    eval_set: str,
) -> Comparison:
    """Compare the candidate with another model on one metric of one eval set.

    Items without a score of either model are left out, and counted.

    Args:
        store: Holds the scores.
        candidate: Scores of the candidate.
        other: Scores of the other model.
        criterion: Metric, margin and confidence.
        against: Role of the other model.
        eval_set: Name of the eval set.

    Raises:
        InputError: The models were scored by different scorers or on different items, or no item was scored for both.
    """
    ours = _find_common_metric(candidate, other, criterion.metric)
    pairs = _pair_items(store, candidate, other, ours, eval_set)
    scored = pairs.drop_nulls(["ours", "theirs"])
    if scored.is_empty():
        msg = f"{ours.scorer} scored no item of eval set {eval_set!r} for both models; read its explanations"
        raise InputError(msg)
    paired = _compare(scored, ours.scale, criterion.confidence)
    low, high = (round_number(bound, ours.scale) for bound in (paired.interval.low, paired.interval.high))
    # Rounded before the decision, so that the printed interval is the one that decides, on every machine.
    rounded = Interval(-math.inf if low is None else low, math.inf if high is None else high)
    return Comparison(
        against=against,
        eval_set=eval_set,
        metric=ours.name,
        scorer=ours.scorer,
        scale=ours.scale,
        n=paired.n,
        clusters=paired.clusters,
        unscored=pairs.height - scored.height,
        only_candidate=paired.only_a,
        only_other=paired.only_b,
        difference=round_number(paired.difference, ours.scale) or 0.0,
        low=low,
        high=high,
        p_value=float(f"{paired.p_value:.6g}"),
        margin=criterion.margin,
        finding=judge_difference(rounded, criterion.margin, ours.scale.direction),
    )


def find_metric(scores: Scores, name: str) -> Metric:
    """Return a metric over all items.

    Raises:
        InputError: The scores have no such metric.
    """
    for metric in scores.result.metrics:
        if (metric.name, metric.slice) == (name, None):
            return metric
    known = ", ".join(metric.name for metric in scores.result.metrics if metric.slice is None)
    msg = f"scores {short(scores.id)} have no metric {name!r}, only {known}; score the model again"
    raise InputError(msg)


def _pair_items(store: ObjectStore, candidate: Scores, other: Scores, metric: Metric, eval_set: str) -> pl.DataFrame:
    """Return each item's cluster and both scores, by item id."""
    left, right = (
        get_frame(store, scores.result.frame, SCORES)
        .filter(pl.col("scorer") == metric.scorer, pl.coalesce("field", pl.lit(metric.name)) == metric.name)
        .select("item_id", "cluster_id", pl.col("value").alias(name))
        .sort("item_id")
        for name, scores in (("ours", candidate), ("theirs", other))
    )
    if left["item_id"].to_list() != right["item_id"].to_list() or left["item_id"].n_unique() != left.height:
        msg = (
            f"scores {short(candidate.id)} and {short(other.id)} on eval set {eval_set!r} are not of the same items, "
            f"each once; score both models again on one eval set"
        )
        raise InputError(msg)
    return left.with_columns(right["theirs"])


def _find_common_metric(candidate: Scores, other: Scores, name: str) -> Metric:
    ours, theirs = find_metric(candidate, name), find_metric(other, name)
    if (ours.scorer, ours.scale) != (theirs.scorer, theirs.scale):
        msg = f"{name} was scored by {ours.scorer} and by {theirs.scorer}; score both models again by one scorer"
        raise InputError(msg)
    return ours


def _compare(scored: pl.DataFrame, scale: Scale, confidence: float) -> PairedDifference:
    bounds = bounds_of(scale)
    return compare_paired(
        scored["ours"].to_list(),
        scored["theirs"].to_list(),
        scored["cluster_id"].to_list(),
        kind=scale.kind,
        width=bounds.high - bounds.low,
        confidence=confidence,
        seed=_SEED,
    )
