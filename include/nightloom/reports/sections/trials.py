"""Trials: what several of them came to, from the rankings that they were pruned by."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan, list_differing_settings, number_draws
from nightloom.artifacts.showing import PLAIN, show_interval
from nightloom.artifacts.training import HeldOutLoss, Ranking, Standing, Trial, identify_trial
from nightloom.core.manifests import Plain
from nightloom.core.prices import cost_of
from nightloom.registry.trials import TrialProgress, read_trials
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Estimate, Rounded, Section, estimate
from nightloom.statistics.configurations import Losses, compare_draws

_SHOWN = 12


class TrialFacts(Plain):
    """One trial among several."""

    trial: int
    draw: int = Field(description="Trials of one draw differ in their seed alone.")
    seed: int
    settings: dict[str, Any] = Field(description="Those in which trials differ, by their place.")
    losses: tuple[HeldOutLoss | None, ...] = Field(description="At each rung and at the end; None: not ranked there.")
    pruned_at: float | None = Field(description="Share of the training after which it ended early.")
    diverged: str | None = Field(default=None, description="Why its training diverged; None if it did not.")
    seconds: float | None = Field(description="Of a device, all attempts together; None if that is not known.")


class BestDraw(Plain):
    """How far the best draw is from the next, beside how far apart seeds are."""

    share: float = Field(description="Of the training, after which they were compared.")
    draws: int
    draw: int
    loss: Estimate = Field(description="Mean of its seeds, on the selection split; one seed tells no spread.")
    next_draw: int | None
    difference: Estimate | None = Field(description="Its mean less that of the next, over the seeds that both have.")
    is_distinct: bool = Field(description="It is better than the next by more than seeds differ.")


class Facts(Plain):
    """The trials of the night's blueprint, where there are several."""

    rungs: tuple[float, ...] = Field(description="Shares of the training after which they were ranked.")
    trials: tuple[TrialFacts, ...] = Field(description="The best first, then the pruned, then the diverged.")
    winner: int | None = Field(description="None if they have not come to the end.")
    best: BestDraw | None = Field(description="None if they have not been ranked.")
    seconds: Rounded = Field(description="Of devices, all trials together, as far as it is known.")
    cost: Rounded | None = Field(description="By the prices when the report was written; None: a device has no price.")


def read(night: NightManifests) -> Facts | None:
    """Return what the trials of the night's blueprint came to, where there are several."""
    if night.blueprint is None or len(night.blueprint.content.trials) < 2:
        return None
    blueprint, rankings = night.blueprint.content, night.rankings
    rungs = blueprint.pruning.rungs if blueprint.pruning else ()
    numbers = {Trial.id_of(identify_trial(blueprint, number)): number for number in range(len(blueprint.trials))}
    progress = {numbers[each.trial]: each for each in read_trials(night.database, list(numbers))}
    return Facts(
        rungs=rungs,
        trials=tuple(_list_trials(blueprint, rungs, rankings, progress)),
        winner=rankings[-1].result.going_on[0] if len(rankings) == len(rungs) + 1 else None,
        best=_find_best_draw(blueprint.trials, rankings, (*rungs, 1.0)),
        seconds=round(sum(each.seconds for each in progress.values()), 2),
        cost=_sum_cost(list(progress.values()), night.prices),
    )


def view(facts: Facts) -> Mapping[str, Any]:
    """Return the table, the best first, and what the losses show, in sentences."""
    has_draws = len({each.draw for each in facts.trials}) < len(facts.trials)
    return {
        "has_draws": has_draws,
        "settings": list(_shorten(list(facts.trials[0].settings))),
        "shares": [*map(show_share, facts.rungs), "the end"],
        "lines": [(each, describe_fate(each, facts)) for each in facts.trials],
        "shown": _SHOWN,
        "summary": summarise(facts),
        "notes": [*describe_best(facts.best), *describe_divergence(facts.trials)],
    }


def show_share(share: float) -> str:
    """Return a share of the training in per cent."""
    return f"{share * 100:g}%"


def summarise(facts: Facts) -> str:
    """Return how many trials there were and how they were ranked."""
    draws = len({each.draw for each in facts.trials})
    sizes = [each for trial in facts.trials for each in trial.losses if each]
    n = f", on {sizes[0].n:,} answers of the selection split" if sizes else ""
    of_draws = f" of {draws} draws (those of one differ in their seed alone)" if draws < len(facts.trials) else ""
    pruned = sum(each.pruned_at is not None for each in facts.trials)
    on_the_way = f"; {pruned} {'was' if pruned == 1 else 'were'} pruned on the way" if pruned else ""
    return f"{len(facts.trials)} trials{of_draws}, ranked by their held-out loss{n}{on_the_way}."


def describe_fate(trial: TrialFacts, facts: Facts) -> str:
    """Return what became of a trial."""
    if trial.trial == facts.winner:
        return "the candidate"
    if trial.diverged:
        return "diverged"
    if trial.pruned_at is not None:
        return f"pruned at {show_share(trial.pruned_at)}"
    return "trained to the end" if facts.winner is not None else "not decided"


def describe_divergence(trials: Sequence[TrialFacts]) -> Iterator[str]:
    """Return how many diverged, and why the first did: what ails one mostly ails all."""
    diverged = [each for each in trials if each.diverged]
    if diverged:
        yield f"{len(diverged)} of {len(trials)} trials diverged. Trial {diverged[0].trial}: {diverged[0].diverged}."


def describe_best(best: BestDraw | None) -> Iterator[str]:
    """Return which draw is best, and whether seeds alone may explain it."""
    if best is None:
        return
    where = "at the end" if best.share == 1 else f"after {show_share(best.share)} of the training"
    if best.next_draw is None:
        yield f"Draw {best.draw} was the only one {where}: its mean loss is {_show_mean(best.loss)}."
        return
    beginning = f"Of {best.draws} draws {where}, draw {best.draw} had the lowest mean loss, {_show_mean(best.loss)}"
    lead = best.difference
    if lead is None or lead.low is None:
        yield (
            f"{beginning}. Whether its lead over draw {best.next_draw} is more than seeds differ is not known: list "
            f"two or more `seeds` under `train.trials` to learn it."
        )
        return
    interval = show_interval(lead.value, lead.low, lead.high, PLAIN.signed)
    verdict = "it is better by more than seeds differ" if best.is_distinct else "seeds alone may explain that"
    yield f"{beginning}. Against draw {best.next_draw}, the next, {interval}, paired by seed, n = {lead.n}: {verdict}."


def _list_trials(
    spec: BlueprintSpec,
    rungs: Sequence[float],
    rankings: Sequence[Ranking],
    progress: Mapping[int, TrialProgress],
) -> Iterator[TrialFacts]:
    draws, settings = number_draws(spec.trials), list_differing_settings(spec.trials)
    losses = [{each.trial: each.held_out for each in ranking.result.standings} for ranking in rankings]
    pruned_at = {
        each.trial: share
        for ranking, share in zip(rankings, rungs, strict=False)
        for each in ranking.result.standings
        if each.trial not in ranking.result.going_on and not each.diverged
    }
    diverged = {each.trial: each.diverged for ranking in rankings for each in ranking.result.standings if each.diverged}
    ranked = [number for standings in reversed(losses) for number in standings]
    for number in sorted(dict.fromkeys([*ranked, *range(len(spec.trials))]), key=diverged.__contains__):
        yield TrialFacts(
            trial=number,
            draw=draws[number],
            seed=spec.trials[number].seed,
            settings=settings[number],
            losses=tuple(standings.get(number) for standings in losses),
            pruned_at=pruned_at.get(number),
            diverged=diverged.get(number),
            seconds=round(progress[number].seconds, 2) if number in progress else None,
        )


def _find_best_draw(
    plans: Sequence[TrialPlan], rankings: Sequence[Ranking], shares: Sequence[float]
) -> BestDraw | None:
    """Compare the draws where there were two of them last: at the end, or at the rung before the best was alone."""
    ranked = [
        (losses, share)
        for ranking, share in zip(rankings, shares, strict=False)
        if (losses := _losses_of_draws(plans, ranking.result.standings))
    ]
    several = [one for one in ranked if len(one[0]) > 1]
    if not ranked:
        return None
    losses, share = (several or ranked)[-1]
    best = compare_draws(losses)
    lead = best.difference
    return BestDraw(
        share=share,
        draws=len(losses),
        draw=best.draw,
        loss=estimate(best.mean, best.interval, best.seeds),
        next_draw=best.next_draw,
        difference=None if lead is None else estimate(lead, best.difference_interval, best.pairs),
        is_distinct=best.is_distinct,
    )


def _losses_of_draws(plans: Sequence[TrialPlan], standings: Sequence[Standing]) -> Losses:
    """Return the losses of each draw by seed; of a draw with a trial that diverged only if there is no other draw."""
    unsafe = {each.draw for each in standings if each.diverged}
    losses: dict[int, dict[int, float]] = {}
    for each in standings:
        if each.held_out is not None:
            losses.setdefault(each.draw, {})[plans[each.trial].seed] = each.held_out.loss
    return {draw: of_seeds for draw, of_seeds in losses.items() if draw not in unsafe} or losses


def _sum_cost(progress: Sequence[TrialProgress], prices: Mapping[str, float]) -> float | None:
    costs = [cost_of(one.seconds, one.device, prices) for one in progress]
    return None if None in costs or not costs else sum(filter(None, costs))


def _show_mean(loss: Estimate) -> str:
    if loss.low is None:
        return f"{loss.value:.3f} with one seed"
    return f"{show_interval(loss.value, loss.low, loss.high)} over {loss.n} seeds"


def _shorten(places: Sequence[str]) -> Iterator[str]:
    """Return each place's last part, or all of it where two have the same."""
    lasts = [place.rpartition(".")[2] for place in places]
    for place, last in zip(places, lasts, strict=True):
        yield last if lasts.count(last) == 1 else place


SECTION = Section(Path(__file__), "Trials", Facts, read, view)
