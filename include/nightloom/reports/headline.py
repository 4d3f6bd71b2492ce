"""Headline: the night in one sentence, and what a person should do about it."""

from dataclasses import dataclass
from typing import Literal

from nightloom.artifacts.showing import show_difference, show_role, style_difference
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.stages import Stage
from nightloom.promotion.drift import name_replacement
from nightloom.promotion.promote import Block, read_block
from nightloom.registry.nights import StageOutcome
from nightloom.registry.refs import RefMove
from nightloom.reports.caveats import list_caveats
from nightloom.reports.night import NightManifests, Outcomes

NightOutcome = Literal["promoted", "not_promoted", "nothing_new", "refused", "failed", "unfinished", "not_run"]

_FINDINGS = {
    "BETTER": "the candidate is better than the {against}",
    "NOT_WORSE": "the candidate is not worse than the {against}, but not shown to be better",
    "WORSE": "the candidate is worse than the {against}",
    "INCONCLUSIVE": "the comparison with the {against} is inconclusive",
}
_STOPS: dict[str, tuple[NightOutcome, str]] = {
    "nothing_new": ("nothing_new", "Nothing new: {stage} found nothing to do"),
    "refused": ("refused", "Refused: a check or limit in {stage} stopped the night"),
    "failed": ("failed", "Failed: {stage} ended with an error"),
    "running": ("unfinished", "Unfinished: {stage} has started and not reported a result"),
}
_NEXT_STEPS = {
    "failed": "Fix the cause shown above. Then clear the failed task of {dag} in Airflow, or run {again}. Either reads "
    "the same cut and keeps finished work.",
    "refused": "Fix the cause shown above, at the source or in the recipe. Then run {again}. Otherwise the next night "
    "reads the whole window again.",
    "unfinished": "If {dag} is running in Airflow, wait: the report is written again when it ends. If not, it was "
    "killed: run {again}, which keeps finished work.",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """How a night ended, and what to do about it."""

    outcome: NightOutcome
    headline: str
    details: str | None
    next_steps: tuple[str, ...]


def summarise_night(night: NightManifests) -> Summary:
    """Return how a night ended: the first stage up to the verdict that is not done decides, else the verdict."""
    recipe, outcomes, champion = night.recipe.name, night.outcomes, night.champion
    again = f"`nightloom run {recipe} --night {night.date}`"
    if not any(outcome for stage, outcome in outcomes.items() if stage != "report"):
        check = (
            f"Check that the scheduler is up (`nightloom doctor`) and that {recipe}__prepare is not paused. "
            f"Then trigger it with night {night.date}, or run {again}."
        )
        return Summary(
            "not_run", f"Not run: nothing of this night has started{_say_champion(champion)}.", None, (check,)
        )
    batch = _advise_on_batch(recipe, outcomes, again)
    stopped = _first_unfinished(outcomes)
    if stopped:
        stage = outcomes[stopped]
        outcome, headline = _summarise_stop(stopped, stage)
        details = stage.message if stage and stage.status != "running" else None
        step = _NEXT_STEPS.get(outcome, "").format(dag=f"{recipe}__{stopped}", again=again)
        next_steps = (*filter(None, [step]), *_advise_on_champion(night), *batch)
        return Summary(outcome, f"{headline}{_say_champion(champion)}.", details, next_steps)
    outcome, headline = _summarise_verdict(night)
    details = outcomes["finetune"].message if outcomes["finetune"] else None
    caveats = list_caveats(night.verdict.content) if night.verdict else ()
    next_steps = (*_advise_on_verdict(night), *_advise_on_champion(night), *batch, *caveats)
    return Summary(outcome, headline, details, next_steps)


def _first_unfinished(outcomes: Outcomes) -> Stage | None:
    # A batch that failed does not change the headline. It is listed in the next steps.
    stages: tuple[Stage, ...] = ("prepare", "finetune")
    return next((stage for stage in stages if not _has_ended(stage, outcomes[stage])), None)


def _has_ended(stage: Stage, outcome: StageOutcome | None) -> bool:
    if outcome is None:
        return False
    # The verdict shows why a finetune was refused after it.
    has_verdict = stage == "finetune" and outcome.status == "refused" and outcome.manifest is not None
    return outcome.status == "done" or has_verdict


def _summarise_stop(stage: Stage, outcome: StageOutcome | None) -> tuple[NightOutcome, str]:
    if outcome is None:
        return "unfinished", f"Unfinished: {stage} has not started"
    stop, headline = _STOPS[outcome.status]
    return stop, headline.format(stage=stage)


def _summarise_verdict(night: NightManifests) -> tuple[NightOutcome, str]:
    deciding = night.verdict.content.deciding_comparison if night.verdict else None
    if night.verdict is None or deciding is None:
        return "not_promoted", f"Not known: the verdict of this night cannot be read{_say_champion(night.champion)}."
    difference = show_difference(deciding, style_difference(deciding.scale))
    size = f"{difference} in {deciding.metric}, {show_count(deciding.n, 'item', form=',')}"
    found = f"{_FINDINGS[deciding.finding].format(against=show_role(deciding.against))} ({size})"
    if night.has_promoted(night.verdict):
        return "promoted", f"Promoted: {found}."
    if _fails_parity(night):
        found = f"{found}, but parity fails"
    elif night.verdict.content.promote:
        found = f"{found}, but {_explain_block(night)}"
    return "not_promoted", f"Not promoted: {found}{_say_champion(night.champion)}."


def _read_block(night: NightManifests) -> Block | None:
    outcome = night.outcomes["finetune"]
    return read_block(outcome.message) if outcome else None


def _explain_block(night: NightManifests) -> str:
    block = _read_block(night)
    return block.why if block else "the champion was not changed"


def _fails_parity(night: NightManifests) -> bool:
    return night.parity is not None and night.parity.mismatch is not None


def _say_champion(champion: RefMove | None) -> str:
    return f"; champion {short(champion.new)} stays in use" if champion else "; there is no champion yet"


def _advise_on_verdict(night: NightManifests) -> tuple[str, ...]:
    if night.verdict is None:
        return ("Run `nightloom doctor`: the store lacks a manifest that the registry names.",)
    if _fails_parity(night):
        return ("Fix the check that fails under Parity below. Until then no candidate made like this one is promoted.",)
    if night.verdict.content.promote and not night.has_promoted(night.verdict):
        block = _read_block(night)
        by_hand = name_replacement(night.recipe.name, short(night.verdict.content.candidate))
        remedy = f"{block.remedy}." if block else "Compare again with the current champion."
        return (remedy if by_hand in remedy else f"{remedy} {by_hand} promotes it by hand.",)
    if night.champion is None:
        return (
            "Nothing is predicted until a candidate is BETTER than the base model alone. Check the rows, the loss and "
            "the training settings below.",
        )
    return ()


def _advise_on_champion(night: NightManifests) -> tuple[str, ...]:
    """Return how to replace a champion that does not answer the recipe."""
    if night.drift is None or night.champion is None:
        return ()
    can_replace = night.verdict is not None and not _fails_parity(night)
    adapter = short(night.verdict.content.candidate) if night.verdict and can_replace else "ADAPTER"
    command = name_replacement(night.recipe.name, adapter)
    return (f"Champion {short(night.champion.new)} {night.drift}. Replace it: {command}.",)


def _advise_on_batch(recipe: str, outcomes: Outcomes, again: str) -> tuple[str, ...]:
    finetune, predict = outcomes["finetune"], outcomes["predict"]
    if predict is None:
        is_due = finetune is not None and finetune.status != "running"
        check = f"The batch has not started: check whether {recipe}__predict is paused, or run {again}."
        return (check,) if is_due else ()
    if predict.status in ("done", "nothing_new"):
        return ()
    how = "has not reported a result" if predict.status == "running" else f"did not succeed ({predict.message})"
    return (f"The batch {how}: clear {recipe}__predict in Airflow, or run {again}. Finished shards are kept.",)
