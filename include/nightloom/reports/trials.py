"""Trials: what several of them came to, from the rankings that they were pruned by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan, number_draws
from nightloom.artifacts.training import Ranking
from nightloom.core.prices import price_of
from nightloom.registry.trials import TrialProgress
from nightloom.reports.facts import BestDrawFact, TrialFact, TrialsFacts
from nightloom.reports.made import Made, list_trial_ids
from nightloom.statistics.draws import compare_draws


def tell_trials(made: Made, prices: Mapping[str, float]) -> TrialsFacts | None:
    """Tell what the trials of the night's blueprint came to, where there are several."""
    if made.blueprint is None or len(made.blueprint.content.trials) < 2:
        return None
    blueprint = made.blueprint.content
    rungs = blueprint.pruning.rungs if blueprint.pruning else ()
    shares = (*rungs, 1.0)
    is_over = len(made.rankings) == len(shares)
    progress = {one.trial: one for one in made.progress}
    known = {number: progress[each] for number, each in enumerate(list_trial_ids(blueprint)) if each in progress}
    return TrialsFacts(
        rungs=rungs,
        trials=tuple(_list_trials(blueprint, made.rankings, known)),
        winner=made.rankings[-1].result.going_on[0] if is_over else None,
        best=_tell_best_draw(blueprint.trials, made.rankings, shares),
        seconds=round(sum(one.seconds for one in known.values()), 2),
        cost=_sum_cost(list(known.values()), prices),
    )


def list_differences(plans: Sequence[TrialPlan]) -> list[dict[str, Any]]:
    """Give each plan's settings in which plans differ, by their place; the seed is none of them."""
    flat = [_flatten(plan) for plan in plans]
    places = dict.fromkeys(name for one in flat for name in one)
    differing = [place for place in places if len({repr(one.get(place)) for one in flat}) > 1]
    return [{place: one.get(place) for place in differing} for one in flat]


def cost_of(seconds: float, device: str, prices: Mapping[str, float]) -> float | None:
    """Give what so many seconds of a device cost; none: it has no price."""
    price = price_of(device, prices)
    return None if price is None else round(seconds / 3600 * price, 6)


def _list_trials(
    blueprint: BlueprintSpec, rankings: Sequence[Ranking], known: Mapping[int, TrialProgress]
) -> Iterator[TrialFact]:
    """Give all trials: as the last ranking has them, then those that the one before it pruned; the diverged last."""
    draws, settings = number_draws(blueprint.trials), list_differences(blueprint.trials)
    losses = [{each.trial: each.held_out for each in ranking.result.standings} for ranking in rankings]
    pruned_at = {
        each.trial: share
        for ranking, share in zip(rankings, blueprint.pruning.rungs if blueprint.pruning else (), strict=False)
        for each in ranking.result.standings
        if each.trial not in ranking.result.going_on and not each.diverged
    }
    diverged = {each.trial: each.diverged for ranking in rankings for each in ranking.result.standings if each.diverged}
    ranked = [number for standings in reversed(losses) for number in standings]
    for number in sorted(dict.fromkeys([*ranked, *range(len(blueprint.trials))]), key=diverged.__contains__):
        yield TrialFact(
            trial=number,
            draw=draws[number],
            seed=blueprint.trials[number].seed,
            settings=settings[number],
            losses=tuple(standings.get(number) for standings in losses),
            pruned_at=pruned_at.get(number),
            diverged=diverged.get(number),
            seconds=round(known[number].seconds, 2) if number in known else None,
        )


def _tell_best_draw(
    plans: Sequence[TrialPlan], rankings: Sequence[Ranking], shares: Sequence[float]
) -> BestDrawFact | None:
    """Compare the draws where there were two of them last: at the end, or at the rung before the best was alone.

    Those of which a trial diverged stand behind all others, and are compared only where there is no other.
    """
    ranked = []
    for ranking, share in zip(rankings, shares, strict=False):
        losses: dict[int, dict[int, float]] = {}
        for each in ranking.result.standings:
            if each.held_out is not None:
                losses.setdefault(each.draw, {})[plans[each.trial].seed] = each.held_out.loss
        unsafe = {each.draw for each in ranking.result.standings if each.diverged}
        safe = {draw: of_seeds for draw, of_seeds in losses.items() if draw not in unsafe}
        ranked.append((safe or losses, share))
    told = [(losses, share) for losses, share in ranked if len(losses) > 1] or [one for one in ranked if one[0]]
    if not told:
        return None
    losses, share = told[-1]
    best = compare_draws(losses)
    return BestDrawFact(
        share=share,
        draws=len(losses),
        draw=best.draw,
        loss=round(best.mean, 6),
        low=round(best.interval.low, 6) if best.interval else None,
        high=round(best.interval.high, 6) if best.interval else None,
        seeds=best.seeds,
        next_draw=best.next_draw,
        difference=None if best.difference is None else round(best.difference, 6),
        difference_low=round(best.difference_interval.low, 6) if best.difference_interval else None,
        difference_high=round(best.difference_interval.high, 6) if best.difference_interval else None,
        pairs=best.pairs,
        is_distinct=best.is_distinct,
    )


def _sum_cost(progress: Sequence[TrialProgress], prices: Mapping[str, float]) -> float | None:
    costs = [cost_of(one.seconds, one.device, prices) for one in progress]
    known = [cost for cost in costs if cost is not None]
    return round(sum(known), 6) if costs and len(known) == len(costs) else None


def _flatten(plan: TrialPlan) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, value in plan.model_dump(mode="json", exclude={"seed"}).items():
        if isinstance(value, dict):
            flat |= {f"{section}.{name}": setting for name, setting in value.items()}
        elif value is not None:
            flat[section] = value
    return flat
