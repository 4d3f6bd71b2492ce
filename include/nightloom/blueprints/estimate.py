"""Estimates: what training a blueprint will take, by what its recipe's trials took before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.training import Trial
from nightloom.core.prices import price_of
from nightloom.recipes.training import Budget, Pruning

_FEWEST = 3
_UNKNOWN = 0.25


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of a device, with the range in which they are likely to be, and what they cost.

    Attributes:
        seconds: Expected.
        low: As fast as the fastest earlier trial a token.
        high: As slow as the slowest.
        device: On which the earlier trials were trained.
        trials: How many there were to go by.
        price: Money for an hour of the device; none: nobody said.
    """

    seconds: float
    low: float
    high: float
    device: str
    trials: int
    price: float | None = None

    def scaled(self, share: float) -> "Estimate":
        """Return the estimate of so many times as much."""
        return Estimate(self.seconds * share, self.low * share, self.high * share, self.device, self.trials, self.price)

    @property
    def cost(self) -> float | None:
        """Expected cost in the money of the price."""
        return None if self.price is None else round(self.seconds / 3600 * self.price, 4)


def estimate_trial(
    plan: TrialPlan, examples: int, earlier: Sequence[Trial], defaults: Mapping[str, Any], prices: Mapping[str, float]
) -> Estimate | None:
    """Return what a trial will take, scaled by the tokens that it sees; none: there is nothing to go by.

    Trials of the same trainer and method on the newest one's device count. Fewer than three say little of how far they
    vary: the range is then at least a quarter to both sides.

    Args:
        plan: Its settings.
        examples: How many it learns from.
        earlier: Trials of the recipe that were trained, the newest last.
        defaults: What training takes for settings that a plan does not name.
        prices: Money for an hour, by the beginning of a device's name.
    """
    alike = [one for one in earlier if (one.key.plan.trainer, one.key.plan.method) == _kind(plan)]
    alike = [one for one in alike if one.result.device == alike[-1].result.device and one.result.tokens_per_second]
    if not alike:
        return None
    newest = alike[-1].result
    tokens = examples * newest.tokens / max(newest.examples, 1)
    seen = tokens * count_epochs(plan, examples, defaults)
    seconds = [seen / one.result.tokens_per_second for one in alike]
    expected = sum(seconds) / len(seconds)
    low, high = min(seconds), max(seconds)
    if len(alike) < _FEWEST:
        low, high = min(low, expected * (1 - _UNKNOWN)), max(high, expected * (1 + _UNKNOWN))
    return Estimate(expected, low, high, newest.device, len(alike), price_of(newest.device, prices))


def count_epochs(plan: TrialPlan, examples: int, defaults: Mapping[str, Any]) -> float:
    """Return how often a trial sees each example."""
    settings = {"gradient_accumulation_steps": 1, **defaults, **plan.settings}
    steps = settings.get("max_steps", -1)
    if steps > 0:
        batch = settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"]
        return float(steps * batch / max(examples, 1))
    return float(settings["num_train_epochs"])


def count_trainings(ends: Sequence[float], draws: int, pruning: Pruning) -> float:
    """Return how many whole trainings the shares of training after the first rung add up to, with one seed each.

    Args:
        ends: The shares, the last one being the end.
        draws: How many train to the first of them.
        pruning: Says how many of them go on from each.
    """
    trainings = 0.0
    for begin, end in pairwise(ends):
        draws = pruning.count_kept(draws)
        trainings += (end - begin) * draws
    return trainings


def add_estimates(estimates: Sequence[Estimate]) -> Estimate | None:
    """Return the sum of estimates on one device; the range is that of all being fast, or slow, together."""
    if not estimates:
        return None
    first = estimates[0]
    return Estimate(
        seconds=sum(one.seconds for one in estimates),
        low=sum(one.low for one in estimates),
        high=sum(one.high for one in estimates),
        device=first.device,
        trials=first.trials,
        price=first.price,
    )


def compare_with_budget(budget: Budget | None, estimate: Estimate | None, spent_s: float) -> str | None:
    """Say that training will take more than the budget; nothing: it will not, or nobody can tell.

    Args:
        budget: Of the blueprint.
        estimate: Of what is still to be trained.
        spent_s: Seconds that its trials took until now, which count too.
    """
    if budget is None or estimate is None:
        return None
    minutes = (estimate.seconds + spent_s) / 60
    if budget.gpu_minutes is not None and minutes > budget.gpu_minutes:
        return (
            f"training is expected to take {minutes:,.1f} minutes of a device, more than the budget of "
            f"{budget.gpu_minutes:g}: it would stop before its end"
        )
    if budget.cost is None:
        return None
    if estimate.price is None:
        return f"the budget is a cost, and NIGHTLOOM_PRICES has no price for {estimate.device!r}; add one"
    cost = minutes / 60 * estimate.price
    if cost > budget.cost:
        return (
            f"training is expected to cost {cost:,.2f}, more than the budget of {budget.cost:g}: "
            f"it would stop before its end"
        )
    return None


def _kind(plan: TrialPlan) -> tuple[str, str]:
    return plan.trainer, plan.method
