"""Telling: from manifests to facts, one function a section of the report."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from nightloom.artifacts.data import PlantedResult
from nightloom.artifacts.results import Verdict
from nightloom.core.manifests import Manifest
from nightloom.core.stages import STAGES
from nightloom.registry.refs import RefMove
from nightloom.reports.conclusion import Outcomes
from nightloom.reports.facts import (
    ChampionFacts,
    ComparisonFacts,
    DataFacts,
    EvalSetFact,
    PlantedFact,
    PredictionFacts,
    Provenance,
    ScoreFact,
    StageFact,
    TrainingFacts,
)
from nightloom.reports.made import Made
from nightloom.reports.trials import cost_of
from nightloom.statistics.intervals import wilson_interval


def tell_stages(outcomes: Outcomes) -> tuple[StageFact, ...]:
    """Tell what the stages came to; not the report's own, which is being written."""
    return tuple(
        StageFact(
            stage=stage,
            status=outcome.status if outcome else None,
            sentence=outcome.sentence if outcome else "",
        )
        for stage in STAGES
        if stage != "report"
        for outcome in [outcomes[stage]]
    )


def tell_champion(moves: Sequence[RefMove]) -> ChampionFacts | None:
    """Tell which champion a night left, from all its moves up to then."""
    if not moves:
        return None
    last = moves[-1]
    return ChampionFacts(adapter=last.new, since=str(last.night), previous=last.old)


def tell_data(made: Made) -> DataFacts | None:
    """Tell where the rows went; of a night that was refused, what curation says."""
    source = made.preparation or made.curated
    if source is None:
        return None
    told = made.preparation.content if made.preparation else None
    return DataFacts(
        rows_in=sum(count.rows for count in source.content.counts),
        new_rows=made.records.content.new_rows if made.records else None,
        counts=source.content.counts,
        splits=made.snapshot.content.splits if made.snapshot else {},
        expectations=source.content.expectations,
        eval_sets=_tell_eval_sets(made),
        planted=_tell_planted(told.planted) if told else (),
        sound_rows=told.sound_rows if told else None,
        sound_rows_touched=told.sound_rows_touched if told else None,
    )


def tell_training(made: Made, prices: Mapping[str, float]) -> TrainingFacts | None:
    """Tell how the candidate was made; what an hour of a device costs stands in the prices."""
    if made.trial is None:
        return None
    plan, record = made.trial.key.plan, made.trial.result
    told = record.model_dump(include=set(TrainingFacts.model_fields))
    cost = cost_of(record.seconds, record.device, prices)
    return TrainingFacts(trainer=plan.trainer, method=plan.method, cost=cost, **told)


def tell_comparison(made: Made, moves: Sequence[RefMove]) -> ComparisonFacts | None:
    """Tell what was compared and whether the champion was moved by it."""
    if made.verdict is None or made.blueprint is None:
        return None
    decided, blueprint = made.verdict.content, made.blueprint.content
    return ComparisonFacts(
        primary=blueprint.primary,
        finding=decided.finding,
        promote=decided.promote,
        moved=has_promoted(made.verdict, moves),
        reason=decided.reason,
        confidence=blueprint.confidence,
        eval_sets=blueprint.eval_sets,
        scores=tuple(ScoreFact(role=s.role, eval_set=s.eval_set, metrics=s.metrics) for s in decided.scores),
        comparisons=decided.comparisons,
        parity=made.parity.result.checks if made.parity else (),
        deciding=decided.deciding,
        gates=decided.gates,
    )


def has_promoted(verdict: Verdict, moves: Sequence[RefMove]) -> bool:
    """Tell whether a verdict's candidate became champion in its night, by this verdict or by an equal one."""
    decided = (verdict.content.candidate, verdict.content.night)
    return verdict.content.promote and any((move.new, str(move.night)) == decided for move in moves)


def tell_predictions(made: Made, champion: ChampionFacts | None) -> PredictionFacts | None:
    """Tell what the batch came to."""
    if made.predictions is None or made.plan is None:
        return None
    model = made.plan.content.model.adapter or made.plan.content.model.base
    return PredictionFacts(
        rows=made.predictions.content.rows,
        counts=made.predictions.content.counts,
        model=model,
        is_champion=champion is not None and model == champion.adapter,
    )


def tell_provenance(made: Made, champion: ChampionFacts | None) -> tuple[Provenance, ...]:
    """Tell by which ids everything is found, in the order in which it was made."""
    blueprint = made.blueprint.content if made.blueprint else None
    ids: dict[str, Manifest | str | None] = {
        "records": made.records,
        "preparation": made.preparation,
        "snapshot": made.snapshot,
        "base model": blueprint.base if blueprint else None,
        f"prompt {made.prompt.provenance.name}" if made.prompt else "prompt": made.prompt,
        **{f"eval set {use.name}": use.evalset for use in (blueprint.eval_sets if blueprint else ())},
        "blueprint": made.blueprint,
        "trial": made.trial,
        "labels of an example": made.trial.result.sample if made.trial else None,
        "adapter": made.trial.result.adapter if made.trial else None,
        "verdict": made.verdict,
        "champion": champion.adapter if champion else None,
        "prediction plan": made.plan,
        "predictions": made.predictions,
    }
    found = {name: each.id if isinstance(each, Manifest) else each for name, each in ids.items()}
    return tuple(Provenance(name=name, id=each) for name, each in found.items() if each is not None)


def _tell_eval_sets(made: Made) -> tuple[EvalSetFact, ...]:
    if made.contamination is None:
        return ()
    # Equal eval sets under two names would have each item twice.
    lines = made.contamination.unique(["evalset", "item_id"]).group_by("evalset").agg(pl.col("clean").sum())
    clean = dict(lines.iter_rows())
    return tuple(
        EvalSetFact(name=each.content.name, items=each.content.items, clean=clean.get(each.id, 0))
        for each in made.eval_sets
    )


def _tell_planted(results: Sequence[PlantedResult]) -> tuple[PlantedFact, ...]:
    facts = []
    for result in _add_kinds(results):
        recall = wilson_interval(result.as_expected, result.planted)
        taken = 0 if result.sound_taken is None else result.as_expected + result.sound_taken
        precision = wilson_interval(result.as_expected, taken) if taken else None
        facts.append(
            PlantedFact(
                result=result,
                low=round(recall.low, 6),
                high=round(recall.high, 6),
                precision_low=round(precision.low, 6) if precision else None,
                precision_high=round(precision.high, 6) if precision else None,
            )
        )
    return tuple(facts)


def _add_kinds(results: Sequence[PlantedResult]) -> Iterator[PlantedResult]:
    """Add up the kinds of fault that one rule is to treat in one way; each tells of the same sound rows."""
    together: dict[tuple[str, str], list[PlantedResult]] = {}
    for result in results:
        together.setdefault((result.rule, result.outcome), []).append(result)
    for (rule, outcome), each in together.items():
        yield PlantedResult(
            kind=", ".join(result.kind for result in each),
            outcome=outcome,
            rule=rule,
            planted=sum(result.planted for result in each),
            as_expected=sum(result.as_expected for result in each),
            sound_taken=each[0].sound_taken,
        )
