"""Conclusion: the night in one sentence, and what a person should do about it."""

from dataclasses import dataclass
from typing import Literal

from nightloom.artifacts.showing import show_difference, show_role, style_difference
from nightloom.core.digests import short
from nightloom.core.stages import Stage
from nightloom.registry.nights import StageOutcome
from nightloom.registry.refs import RefMove
from nightloom.reports.night import NightManifests, Outcomes

Conclusion = Literal["promoted", "not_promoted", "nothing_new", "refused", "failed", "unfinished", "not_run"]

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
_ADVICE = {
    "failed": "Mend what the sentence above names. Then clear the failed task of {dag} in Airflow, or run {again}: the "
    "same cut is read, and what was done is kept.",
    "refused": "Mend what the sentence above names, at the source or in the recipe. Then run {again}; otherwise the "
    "next night reads the whole window again.",
    "unfinished": "If {dag} is at work in Airflow, wait: the report is written again when it ends. If not, it was "
    "killed: run {again}, which goes on from the last commit.",
}


@dataclass(frozen=True, slots=True)
class Concluded:
    """What a night came to."""

    conclusion: Conclusion
    headline: str
    detail: str | None
    next_steps: tuple[str, ...]


def conclude(night: NightManifests) -> Concluded:
    """Return what a night came to: the first stage up to the verdict that was not done decides, else the verdict."""
    recipe, outcomes, champion = night.recipe.name, night.outcomes, night.champion
    again = f"`nightloom run {recipe} --night {night.date}`"
    if not any(outcomes.values()):
        look = (
            f"Look whether the scheduler is up (`nightloom doctor`) and {recipe}__prepare is not paused; "
            f"then trigger it with night {night.date}, or run {again}."
        )
        return Concluded("not_run", f"Not run: nothing of this night has begun{_goes_on(champion)}.", None, (look,))
    batch = _advise_on_batch(recipe, outcomes, again)
    stopped = _first_undone(outcomes)
    if stopped:
        outcome = outcomes[stopped]
        conclusion, sentence = _conclude_stop(stopped, outcome)
        detail = outcome.sentence if outcome and outcome.status != "running" else None
        advice = _ADVICE.get(conclusion, "").format(dag=f"{recipe}__{stopped}", again=again)
        next_steps = (*filter(None, [advice]), *batch)
        return Concluded(conclusion, f"{sentence}{_goes_on(champion)}.", detail, next_steps)
    conclusion, sentence = _conclude_verdict(night)
    detail = outcomes["finetune"].sentence if outcomes["finetune"] else None
    return Concluded(conclusion, sentence, detail, (*_advise_on_verdict(night), *batch))


def _first_undone(outcomes: Outcomes) -> Stage | None:
    stages: tuple[Stage, ...] = ("prepare", "finetune")
    return next((s for s in stages if (o := outcomes[s]) is None or o.status != "done"), None)


def _conclude_stop(stage: Stage, outcome: StageOutcome | None) -> tuple[Conclusion, str]:
    if outcome is None:
        return "unfinished", f"Unfinished: {stage} has not begun"
    conclusion, sentence = _STOPS[outcome.status]
    return conclusion, sentence.format(stage=stage)


def _conclude_verdict(night: NightManifests) -> tuple[Conclusion, str]:
    deciding = night.verdict.content.deciding_comparison if night.verdict else None
    if night.verdict is None or deciding is None:
        return "not_promoted", f"Not known: the verdict of this night cannot be read{_goes_on(night.champion)}."
    size = f"{show_difference(deciding, style_difference(deciding.scale))} in {deciding.metric}, {deciding.n:,} items"
    found = f"{_FINDINGS[deciding.finding].format(against=show_role(deciding.against))} ({size})"
    if night.has_promoted(night.verdict):
        return "promoted", f"Promoted: {found}."
    if _is_mismatched(night):
        found = f"{found}, but parity fails"
    elif night.verdict.content.promote:
        found = f"{found}, but the champion was not changed"
    return "not_promoted", f"Not promoted: {found}{_goes_on(night.champion)}."


def _is_mismatched(night: NightManifests) -> bool:
    """Whether a proof failed that the candidate is one and the same model wherever it is used."""
    return night.parity is not None and night.parity.mismatch is not None


def _goes_on(champion: RefMove | None) -> str:
    return f"; champion {short(champion.new)} goes on working" if champion else "; there is no champion yet"


def _advise_on_verdict(night: NightManifests) -> tuple[str, ...]:
    if night.verdict is None:
        return ("Run `nightloom doctor`: the store does not give what the registry names.",)
    if _is_mismatched(night):
        return ("Mend what fails under Parity below: until then no candidate that is made like this one is promoted.",)
    if night.champion is None:
        return (
            "Nothing is predicted until a candidate is BETTER than the base model alone: look at the rows, the "
            "loss and the training settings below.",
        )
    if night.verdict.content.promote and not night.has_promoted(night.verdict):
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
