"""Verdict: compare the candidate with the other models on every eval set, and apply the gates."""

from collections.abc import Mapping, Sequence
from datetime import date

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.ids import AdapterId, BlueprintId, ParityId
from nightloom.artifacts.models import TaskSpec
from nightloom.artifacts.results import (
    Against,
    Comparison,
    ModelScores,
    Parity,
    Role,
    Scores,
    Verdict,
    VerdictContent,
)
from nightloom.artifacts.showing import show_comparison
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.evaluation.comparing import Criterion, compare_scores, find_metric
from nightloom.promotion.drift import describe_drift, name_replacement
from nightloom.promotion.gates import Case, apply_gates, describe_consequence

ModelOn = tuple[Role, str]
"""Role of a model and name of the eval set that it was scored on."""


def decide(
    store: ObjectStore,
    *,
    night: date,
    blueprint_id: BlueprintId,
    candidate_id: AdapterId,
    champion_id: AdapterId | None,
    champion_task: TaskSpec | None = None,
    parity_id: ParityId | None,
    scores: Sequence[tuple[Role, str, Scores]],
) -> Verdict:
    """Compare the candidate on every eval set, apply the gates, and publish the verdict.

    The primary field on the first eval set of the blueprint decides.

    Args:
        store: Holds the scores and gets the verdict.
        night: Night of the verdict.
        blueprint_id: Blueprint of the candidate, with the settings of the gates.
        candidate_id: Adapter of the candidate.
        champion_id: Adapter of the present champion; the verdict is only valid against this one.
        champion_task: Task of the champion, to report a difference from the recipe's.
        parity_id: Proof of parity of the candidate, or None if it has no weights.
        scores: Role, eval set and scores: of baseline, candidate and champion on every eval set, and of the linear
            classifier if the blueprint has one.

    Raises:
        InputError: Scores are missing, or are not of the same items.
    """
    blueprint = store.load(Blueprint, blueprint_id).content
    scored = {(role, eval_set): made for role, eval_set, made in scores}
    comparisons = _compare_all(store, blueprint, scored, has_champion=champion_id is not None)
    mismatch = store.load(Parity, parity_id).mismatch if parity_id else None
    case = Case(candidate_id, champion_id, blueprint.promote_on, comparisons, mismatch)
    gates = apply_gates(case)
    promote = all(gate.passed for gate in gates)
    ours = find_metric(scored["candidate", case.deciding.eval_set], case.deciding.metric)
    content = VerdictContent(
        recipe=blueprint.recipe,
        night=night.isoformat(),
        blueprint=blueprint_id,
        candidate=candidate_id,
        champion=champion_id,
        baseline=blueprint.base,
        parity=parity_id,
        scores=tuple(
            ModelScores(role=role, eval_set=eval_set, scores=made.id, metrics=made.result.metrics, cut=made.result.cut)
            for role, eval_set, made in scores
        ),
        comparisons=comparisons,
        deciding=0,
        finding=case.deciding.finding,
        gates=gates,
        promote=promote,
        reason=f"{show_comparison(case.deciding, ours)}, {describe_consequence(case, gates)}"
        f"{_report_drift(blueprint, champion_task, case, promote=promote)}",
    )
    return store.publish(Verdict(content=content))


def _report_drift(spec: BlueprintSpec, champion_task: TaskSpec | None, case: Case, *, promote: bool) -> str:
    """Return how the champion's answers differ from what the recipe asks for, and the command that replaces it."""
    drift = describe_drift(champion_task, spec.task) if champion_task else None
    if drift is None:
        return ""
    if promote:
        return f"; the champion before it {drift}"
    # A candidate with a skew is refused by the command, too.
    remedy = "" if case.mismatch else f"; {name_replacement(spec.recipe, short(case.candidate))} replaces it"
    return f"; the champion {drift}{remedy}"


def _compare_all(
    store: ObjectStore, spec: BlueprintSpec, scored: Mapping[ModelOn, Scores], *, has_champion: bool
) -> tuple[Comparison, ...]:
    """Return the comparisons with each model on each eval set, the deciding one first."""
    criterion = Criterion(metric=spec.primary, margin=spec.margin, confidence=spec.confidence)
    required: tuple[Against, ...] = ("champion", "baseline") if has_champion else ("baseline",)
    return tuple(
        compare_scores(
            store,
            _require(scored, "candidate", use.name),
            _require(scored, against, use.name),
            criterion,
            against=against,
            eval_set=use.name,
        )
        for use in spec.eval_sets
        for against in (*required, "linear_classifier")
        if against in required or (against, use.name) in scored
    )


def _require(scored: Mapping[ModelOn, Scores], role: Role, eval_set: str) -> Scores:
    try:
        return scored[role, eval_set]
    except KeyError:
        msg = f"the {role} has no scores on eval set {eval_set!r}; score it before the verdict"
        raise InputError(msg) from None
