"""Trials: results of several trials, from the rankings that pruned them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan, list_differing_settings, number_configurations
from nightloom.artifacts.showing import PLAIN, show_interval
from nightloom.artifacts.training import HeldOutLoss, Ranking, Trial, TrialRank, identify_trial
from nightloom.core.counts import show_count
from nightloom.core.manifests import Plain
from nightloom.core.prices import cost_of
from nightloom.registry.trials import TrialProgress, read_trials
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Estimate, Rounded, Section, estimate
from nightloom.statistics.configurations import Losses, compare_configurations

_SHOWN = 12


class TrialFacts(Plain):
    """One trial among several."""

    trial: int
    configuration: int = Field(description="Trials of one configuration differ only in their seed.")
    seed: int
    settings: dict[str, Any] = Field(description="Settings in which trials differ, by their path.")
    losses: tuple[HeldOutLoss | None, ...] = Field(
        description="Held-out losses at each rung and at the end. None if the trial was not ranked there."
    )
    pruned_at: float | None = Field(description="Share of the training after which the trial was pruned, or None.")
    diverged: str | None = Field(default=None, description="Why the training diverged, or None if it did not.")
    seconds: float | None = Field(description="Device time of all attempts, or None if that is not known.")


class BestConfiguration(Plain):
    """The lead of the best configuration over the next one, compared with the spread between seeds."""

    share: float = Field(description="Share of the training after which they were compared.")
    configurations: int
    configuration: int
    loss: Estimate = Field(description="Mean over its seeds on the selection split. One seed has no interval.")
    next_configuration: int | None
    difference: Estimate | None = Field(description="Its mean minus that of the next, over the seeds that both have.")
    is_distinct: bool = Field(description="Whether its lead is larger than differences between seeds explain.")


class Facts(Plain):
    """The trials of the night's blueprint, if there are several."""

    rungs: tuple[float, ...] = Field(description="Shares of the training after which trials were ranked.")
    trials: tuple[TrialFacts, ...] = Field(description="The best first, then pruned trials, then diverged ones.")
    winner: int | None = Field(description="Trial number of the winner, or None if the last ranking is missing.")
    best: BestConfiguration | None = Field(description="None if no ranking was made.")
    seconds: Rounded = Field(description="Device time of all trials, as far as it is known.")
    cost: Rounded | None = Field(
        description="At the prices when the report was written, or None if a device has no price."
    )


def read(night: NightManifests) -> Facts | None:
    """Return the results of the night's trials, or None if there are fewer than two."""
    if night.blueprint is None or len(night.blueprint.content.trials) < 2:
        return None
    blueprint, rankings = night.blueprint.content, night.rankings
    rungs = blueprint.pruning.rungs if blueprint.pruning else ()
    numbers = {Trial.id_of(identify_trial(blueprint, number)): number for number in range(len(blueprint.trials))}
    progress = {numbers[each.trial]: each for each in read_trials(night.database, list(numbers))}
    return Facts(
        rungs=rungs,
        trials=tuple(_list_trials(blueprint, rungs, rankings, progress)),
        winner=rankings[-1].result.survivors[0] if len(rankings) == len(rungs) + 1 else None,
        best=_find_best_configuration(blueprint.trials, rankings, (*rungs, 1.0)),
        seconds=round(sum(each.seconds for each in progress.values()), 2),
        cost=_sum_cost(list(progress.values()), night.prices),
    )


def view(facts: Facts) -> Mapping[str, Any]:
    """Return the table, the best trial first, and what the losses show."""
    has_configurations = len({each.configuration for each in facts.trials}) < len(facts.trials)
    return {
        "has_configurations": has_configurations,
        "settings": list(_shorten(list(facts.trials[0].settings))),
        "shares": [*map(show_share, facts.rungs), "the end"],
        "lines": [(each, describe_result(each, facts)) for each in facts.trials],
        "shown": _SHOWN,
        "summary": summarise(facts),
        "notes": [*describe_best(facts.best), *describe_divergence(facts.trials)],
    }


def show_share(share: float) -> str:
    """Return a share of the training in per cent."""
    return f"{share * 100:g}%"


def summarise(facts: Facts) -> str:
    """Return how many trials there were and how they were ranked."""
    configurations = len({each.configuration for each in facts.trials})
    sizes = [each for trial in facts.trials for each in trial.losses if each]
    n = f", on {sizes[0].n:,} answers of the selection split" if sizes else ""
    repeats = f" of {configurations} configurations with several seeds" if configurations < len(facts.trials) else ""
    pruned = sum(each.pruned_at is not None for each in facts.trials)
    early = f"; {pruned} pruned early" if pruned else ""
    return f"{show_count(len(facts.trials), 'trial')}{repeats}, ranked by held-out loss{n}{early}."


def describe_result(trial: TrialFacts, facts: Facts) -> str:
    """Return the result of a trial."""
    if trial.trial == facts.winner:
        return "the candidate"
    if trial.diverged:
        return "diverged"
    if trial.pruned_at is not None:
        return f"pruned at {show_share(trial.pruned_at)}"
    return "trained to the end" if facts.winner is not None else "not decided"


def describe_divergence(trials: Sequence[TrialFacts]) -> Iterator[str]:
    """Return how many diverged, and why the first did. The cause is usually the same for all."""
    diverged = [each for each in trials if each.diverged]
    if diverged:
        yield f"{len(diverged)} of {len(trials)} trials diverged. Trial {diverged[0].trial}: {diverged[0].diverged}."


def describe_best(best: BestConfiguration | None) -> Iterator[str]:
    """Return which configuration is best, and whether seeds alone may explain its lead."""
    if best is None:
        return
    where = "at the end" if best.share == 1 else f"after {show_share(best.share)} of the training"
    if best.next_configuration is None:
        yield f"Configuration {best.configuration} was the only one {where}. Its mean loss is {_show_mean(best.loss)}."
        return
    beginning = f"Configuration {best.configuration} has the lowest mean loss of {best.configurations} {where}"
    lowest = f"{beginning}: {_show_mean(best.loss)}."
    lead = best.difference
    if lead is None or lead.low is None:
        yield (
            f"{lowest} It is unknown whether seeds alone explain its lead over configuration "
            f"{best.next_configuration}. To find out, list two or more `seeds` under `train.trials`."
        )
        return
    interval = show_interval(lead.value, lead.low, lead.high, PLAIN.signed)
    verdict = "larger than seeds alone explain" if best.is_distinct else "seeds alone may explain this"
    difference = f"Difference to configuration {best.next_configuration}, paired by seed: {interval}, n = {lead.n}"
    yield f"{lowest} {difference}: {verdict}."


def _list_trials(
    spec: BlueprintSpec,
    rungs: Sequence[float],
    rankings: Sequence[Ranking],
    progress: Mapping[int, TrialProgress],
) -> Iterator[TrialFacts]:
    configurations, settings = number_configurations(spec.trials), list_differing_settings(spec.trials)
    losses = [{each.trial: each.held_out for each in ranking.result.ranks} for ranking in rankings]
    pruned_at = {
        each.trial: share
        for ranking, share in zip(rankings, rungs, strict=False)
        for each in ranking.result.ranks
        if each.trial not in ranking.result.survivors and not each.diverged
    }
    diverged = {each.trial: each.diverged for ranking in rankings for each in ranking.result.ranks if each.diverged}
    ranked = [number for ranks in reversed(losses) for number in ranks]
    for number in sorted(dict.fromkeys([*ranked, *range(len(spec.trials))]), key=diverged.__contains__):
        yield TrialFacts(
            trial=number,
            configuration=configurations[number],
            seed=spec.trials[number].seed,
            settings=settings[number],
            losses=tuple(ranks.get(number) for ranks in losses),
            pruned_at=pruned_at.get(number),
            diverged=diverged.get(number),
            seconds=round(progress[number].seconds, 2) if number in progress else None,
        )


def _find_best_configuration(
    plans: Sequence[TrialPlan], rankings: Sequence[Ranking], shares: Sequence[float]
) -> BestConfiguration | None:
    """Compare configurations at the last ranking that has two or more of them."""
    ranked = [
        (losses, share)
        for ranking, share in zip(rankings, shares, strict=False)
        if (losses := _losses_of_configurations(plans, ranking.result.ranks))
    ]
    several = [one for one in ranked if len(one[0]) > 1]
    if not ranked:
        return None
    losses, share = (several or ranked)[-1]
    best = compare_configurations(losses)
    lead = best.difference
    return BestConfiguration(
        share=share,
        configurations=len(losses),
        configuration=best.configuration,
        loss=estimate(best.mean, best.interval, best.seeds),
        next_configuration=best.runner_up,
        difference=None if lead is None else estimate(lead, best.difference_interval, best.pairs),
        is_distinct=best.is_distinct,
    )


def _losses_of_configurations(plans: Sequence[TrialPlan], ranks: Sequence[TrialRank]) -> Losses:
    """Return the losses by configuration and seed. Diverged ones are left out unless there is no other."""
    unsafe = {each.configuration for each in ranks if each.diverged}
    losses: dict[int, dict[int, float]] = {}
    for each in ranks:
        if each.held_out is not None:
            losses.setdefault(each.configuration, {})[plans[each.trial].seed] = each.held_out.loss
    return {number: by_seed for number, by_seed in losses.items() if number not in unsafe} or losses


def _sum_cost(progress: Sequence[TrialProgress], prices: Mapping[str, float]) -> float | None:
    costs = [cost_of(one.seconds, one.device, prices) for one in progress]
    return None if None in costs or not costs else sum(filter(None, costs))


def _show_mean(loss: Estimate) -> str:
    if loss.low is None:
        return f"{loss.value:.3f} with one seed"
    return f"{show_interval(loss.value, loss.low, loss.high)} over {show_count(loss.n, 'seed')}"


def _shorten(paths: Sequence[str]) -> Iterator[str]:
    """Return the last part of each path, or the whole path if two have the same last part."""
    lasts = [path.rpartition(".")[2] for path in paths]
    for path, last in zip(paths, lasts, strict=True):
        yield last if lasts.count(last) == 1 else path


SECTION = Section(Path(__file__), "Trials", Facts, read, view)
