"""Conclusion: the night in one sentence, and what a person should do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from nightloom.artifacts.showing import show_difference, show_role, style_difference
from nightloom.core.digests import short
from nightloom.core.stages import Stage
from nightloom.registry.nights import StageOutcome
from nightloom.reports.facts import ChampionFacts, ComparisonFacts, Conclusion

Outcomes = Mapping[Stage, StageOutcome | None]

_FINDINGS = {
    "BETTER": "the candidate is better than the {against}",
    "NOT_WORSE": "the candidate is not worse than the {against}, but not shown to be better",
    "WORSE": "the candidate is worse than the {against}",
    "INCONCLUSIVE": "the items cannot tell the candidate from the {against}",
}
_STOPS: dict[str, tuple[Conclusion, str]] = {
    "nothing_new": ("nothing_new", "Nothing new: {stage} found nothing to do"),
    "refused": ("refused", "Refused: {stage} did not accept what the night brought"),
    "failed": ("failed", "Failed: {stage} ended with a fault"),
    "running": ("unfinished", "Unfinished: {stage} has begun and not said how it ended"),
}


@dataclass(frozen=True, slots=True)
class Concluded:
    """What a night came to."""

    conclusion: Conclusion
    answer: str
    detail: str | None
    advice: tuple[str, ...]


def conclude(
    recipe: str, night: str, outcomes: Outcomes, comparison: ComparisonFacts | None, champion: ChampionFacts | None
) -> Concluded:
    """Say what a night came to: the first stage up to the verdict that was not done decides, else the verdict does."""
    again = f"`nightloom run {recipe} --night {night}`"
    if not any(outcomes.values()):
        look = (
            f"Look whether the scheduler is up (`nightloom doctor`) and {recipe}__prepare is not paused; "
            f"then trigger it with night {night}, or run {again}."
        )
        return Concluded("not_run", f"Not run: nothing of this night has begun{_goes_on(champion)}.", None, (look,))
    batch = _advise_on_batch(recipe, outcomes, again)
    stopped = _first_undone(outcomes)
    if stopped:
        outcome = outcomes[stopped]
        conclusion, sentence = _conclude_stop(stopped, outcome)
        detail = outcome.sentence if outcome and outcome.status != "running" else None
        advice = (*_advise_on_stop(recipe, stopped, conclusion, again), *batch)
        return Concluded(conclusion, f"{sentence}{_goes_on(champion)}.", detail, advice)
    conclusion, sentence = _conclude_verdict(comparison, champion)
    detail = outcomes["finetune"].sentence if outcomes["finetune"] else None
    return Concluded(conclusion, sentence, detail, (*_advise_on_verdict(comparison, champion), *batch))


def _first_undone(outcomes: Outcomes) -> Stage | None:
    stages: tuple[Stage, ...] = ("prepare", "finetune")
    return next((s for s in stages if (o := outcomes[s]) is None or o.status != "done"), None)


def _conclude_stop(stage: Stage, outcome: StageOutcome | None) -> tuple[Conclusion, str]:
    if outcome is None:
        return "unfinished", f"Unfinished: {stage} has not begun"
    conclusion, sentence = _STOPS[outcome.status]
    return conclusion, sentence.format(stage=stage)


def _conclude_verdict(comparison: ComparisonFacts | None, champion: ChampionFacts | None) -> tuple[Conclusion, str]:
    deciding = comparison.deciding_comparison if comparison else None
    if comparison is None or deciding is None:
        return "not_promoted", f"Not known: the verdict of this night cannot be read{_goes_on(champion)}."
    size = f"{show_difference(deciding, style_difference(deciding.scale))} in {deciding.metric}, {deciding.n:,} items"
    found = f"{_FINDINGS[deciding.finding].format(against=show_role(deciding.against))} ({size})"
    if comparison.moved:
        return "promoted", f"Promoted: {found}."
    if _is_mismatched(comparison):
        found = f"{found}, but parity fails"
    elif comparison.promote:
        found = f"{found}, but the champion was not changed"
    return "not_promoted", f"Not promoted: {found}{_goes_on(champion)}."


def _is_mismatched(comparison: ComparisonFacts) -> bool:
    """Tell whether a proof failed that the candidate is one and the same model wherever it is used."""
    return any(not check.passed for check in comparison.parity)


def _goes_on(champion: ChampionFacts | None) -> str:
    return f"; champion {short(champion.adapter)} goes on working" if champion else "; there is no champion yet"


def _advise_on_stop(recipe: str, stage: Stage, conclusion: Conclusion, again: str) -> tuple[str, ...]:
    if conclusion == "failed":
        return (
            f"Mend what the sentence above names. Then clear the failed task of {recipe}__{stage} in Airflow, "
            f"or run {again}: the same cut is read, and what was done is kept.",
        )
    if conclusion == "refused":
        return (
            f"Mend what the sentence above names, at the source or in the recipe. Then run {again}; "
            f"otherwise the next night reads the whole window again.",
        )
    if conclusion == "unfinished":
        return (
            f"If {recipe}__{stage} is at work in Airflow, wait: the report is written again when it ends. "
            f"If not, it was killed: run {again}, which goes on from the last commit.",
        )
    return ()


def _advise_on_verdict(comparison: ComparisonFacts | None, champion: ChampionFacts | None) -> tuple[str, ...]:
    if comparison is None:
        return ("Run `nightloom doctor`: the store does not give what the registry names.",)
    if _is_mismatched(comparison):
        return ("Mend what fails under Parity below: until then no candidate that is made like this one is promoted.",)
    if champion is None:
        return (
            "Nothing is predicted until a candidate is BETTER than the base model alone: look at the rows, the "
            "loss and the training settings below.",
        )
    if comparison.promote and not comparison.moved:
        return ("Compare again with the present champion, or promote by hand with `nightloom model promote`.",)
    return ()


def _advise_on_batch(recipe: str, outcomes: Outcomes, again: str) -> tuple[str, ...]:
    finetune, predict = outcomes["finetune"], outcomes["predict"]
    if predict is None:
        is_due = finetune is not None and finetune.status != "running"
        return (
            (f"The batch has not begun: look whether {recipe}__predict is paused, or run {again}.",) if is_due else ()
        )
    if predict.status in ("done", "nothing_new"):
        return ()
    how = "has not said how it ended" if predict.status == "running" else f"did not end well ({predict.sentence})"
    return (f"The batch {how}: clear {recipe}__predict in Airflow, or run {again}; finished shards are kept.",)
