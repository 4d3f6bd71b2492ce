"""Verdict: the candidate compared in pairs with the other models, and whether it is promoted."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.frames import SCORES, get_frame
from nightloom.artifacts.results import (
    Against,
    Comparison,
    Metric,
    ModelScores,
    Parity,
    Role,
    Scores,
    Verdict,
    VerdictContent,
)
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.statistics.intervals import Interval
from nightloom.statistics.paired import compare_rates, judge_difference

_Scores = dict[tuple[Role, str], Scores]

_OPTIONAL: tuple[Against, ...] = ("linear_classifier",)
_BOOTSTRAP_SEED = 0


def decide(
    store: ObjectStore,
    *,
    night: date,
    blueprint_id: str,
    candidate: str,
    champion: str | None,
    parity: str | None,
    scores: Sequence[tuple[Role, str, Scores]],
) -> Verdict:
    """Compare the candidate on every eval set, and publish what follows.

    The first eval set of the blueprint decides, on the primary field. A candidate is promoted when it is

    - BETTER than the baseline, always: an adapter that is no gain over none is not worth serving;
    - and, where there is a champion that is not the candidate itself, BETTER than it, or NOT_WORSE where the recipe
      says `promote_on: not_worse`.

    Args:
        store: Where scores are and the verdict goes.
        night: The night that decides.
        blueprint_id: What the candidate was trained by; it has the gate's settings.
        candidate: Adapter.
        champion: Adapter that the `champion` ref holds now; a promotion is valid against this one only.
        parity: Proof that the candidate is one model everywhere; none: it has no weights to prove it of.
        scores: Whose, on which eval set, and what: of baseline, candidate and champion on every eval set, and of the
            linear classifier where there is one.

    Raises:
        InputError: Scores are missing, or were not made on the same items.
    """
    blueprint = store.load(Blueprint, blueprint_id).content
    by_place = {(role, eval_set): made for role, eval_set, made in scores}
    required: tuple[Against, ...] = ("champion", "baseline") if champion else ("baseline",)
    comparisons = [
        _compare(store, blueprint, use.name, against, by_place)
        for use in blueprint.eval_sets
        for against in (*required, *_OPTIONAL)
        if against in required or (against, use.name) in by_place
    ]
    deciding, baseline = _deciding(comparisons, blueprint)
    promote, consequence = _apply_gate(blueprint, deciding, baseline, candidate, champion)
    mismatch = store.load(Parity, parity).mismatch if parity else None
    if mismatch:
        promote, consequence = False, f"but {mismatch}, so nothing is promoted"
    identity = VerdictContent(
        recipe=blueprint.recipe,
        night=night.isoformat(),
        blueprint=blueprint_id,
        candidate=candidate,
        champion=champion,
        baseline=blueprint.base,
        parity=parity,
        scores=tuple(
            ModelScores(role=role, eval_set=eval_set, scores=made.id, metrics=made.result.metrics)
            for role, eval_set, made in scores
        ),
        comparisons=tuple(comparisons),
        finding=deciding.finding,
        promote=promote,
        reason=f"{_describe(deciding, by_place['candidate', deciding.eval_set])}, {consequence}",
    )
    return store.publish(Verdict(content=identity))


def _require(by_place: _Scores, role: Role, eval_set: str) -> Scores:
    try:
        return by_place[role, eval_set]
    except KeyError:
        msg = f"the {role} has no scores on eval set {eval_set!r}; score it before a verdict is asked for"
        raise InputError(msg) from None


def _compare(
    store: ObjectStore, blueprint: BlueprintSpec, eval_set: str, against: Against, by_place: _Scores
) -> Comparison:
    ours, theirs = (_require(by_place, role, eval_set) for role in ("candidate", against))
    pairs = _join(store, blueprint.primary, eval_set, ours, theirs)
    paired = compare_rates(
        pairs["ours"].to_list(),
        pairs["theirs"].to_list(),
        pairs["cluster_id"].to_list(),
        confidence=blueprint.confidence,
        seed=_BOOTSTRAP_SEED,
    )
    # Rounded before it is judged: what is printed and what decides are one, on any machine.
    low, high = round(paired.interval.low, 6), round(paired.interval.high, 6)
    return Comparison(
        against=against,
        eval_set=eval_set,
        metric=blueprint.primary,
        n=paired.n,
        only_candidate=paired.only_a or 0,
        only_other=paired.only_b or 0,
        difference=round(paired.difference, 6),
        low=low,
        high=high,
        p_value=float(f"{paired.p_value:.6g}"),
        margin=blueprint.margin,
        finding=judge_difference(Interval(low, high), blueprint.margin),
    )


def _join(store: ObjectStore, field: str, eval_set: str, ours: Scores, theirs: Scores) -> pl.DataFrame:
    """Pair the marks of two models by item."""
    frames = [
        get_frame(store, scores.result.frame, SCORES).select(
            "item_id", "cluster_id", pl.col("correct").list.contains(field).alias(name)
        )
        for name, scores in (("ours", ours), ("theirs", theirs))
    ]
    left, right = (frame.sort("item_id") for frame in frames)
    if left["item_id"].to_list() != right["item_id"].to_list() or left["item_id"].n_unique() != left.height:
        msg = (
            f"scores {short(ours.id)} and {short(theirs.id)} on eval set {eval_set!r} are not of the same items, "
            f"each once; score both models on one eval set again"
        )
        raise InputError(msg)
    return left.with_columns(right["theirs"])


def _deciding(comparisons: Sequence[Comparison], blueprint: BlueprintSpec) -> tuple[Comparison, Comparison]:
    """Give the comparison that decides, with the champion where there is one, and the one with the baseline."""
    first = {c.against: c for c in comparisons if c.eval_set == blueprint.eval_sets[0].name}
    return first.get("champion", first["baseline"]), first["baseline"]


def _apply_gate(
    blueprint: BlueprintSpec, deciding: Comparison, baseline: Comparison, candidate: str, champion: str | None
) -> tuple[bool, str]:
    """Say whether the candidate is promoted, and what happens instead if not."""
    if candidate == champion:
        return False, "it is the same adapter as the champion, which stays"
    if champion is None:
        if baseline.finding == "BETTER":
            return True, "the candidate becomes the first champion"
        return False, "there is still no champion, as the first must be BETTER than the baseline"
    enough = ("BETTER",) if blueprint.promote_on == "better" else ("BETTER", "NOT_WORSE")
    if deciding.finding not in enough:
        return False, "the champion stays"
    if baseline.finding != "BETTER":
        return False, f"but {baseline.finding} against the baseline, so the champion stays"
    return True, "the candidate becomes the champion"


def _describe(comparison: Comparison, ours: Scores) -> str:
    metric = next(m for m in ours.result.metrics if (m.name, m.slice) == (comparison.metric, None))
    return (
        f"{_describe_metric(metric)} against {comparison.against}: {comparison.difference:+.3f} "
        f"[{comparison.low:+.3f}, {comparison.high:+.3f}]: {comparison.finding}"
    )


def _describe_metric(metric: Metric) -> str:
    """Give a metric as people read it: with its interval and n."""
    value = "undefined" if metric.value is None else f"{metric.value:.3f}"
    return f"{metric.name} {value} [{metric.low:.3f}, {metric.high:.3f}] n={metric.n}"
