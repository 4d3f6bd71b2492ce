"""Estimates: the training time and cost of a blueprint, from earlier trials of its recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.training import Trial
from nightloom.core.prices import price_of
from nightloom.recipes.training import Budget, Pruning

_FEWEST = 3
_UNKNOWN = 0.25  # share of the estimate, when there are fewer earlier trials


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expected device time, its likely range, and its cost.

    Attributes:
        seconds: Expected device time.
        low: Device time at the rate of the fastest earlier trial.
        high: Device time at the rate of the slowest earlier trial.
        device: Device of the earlier trials.
        trials: Number of earlier trials behind the estimate.
        price: Price of an hour of the device, or None if it is not configured.
    """

    seconds: float
    low: float
    high: float
    device: str
    trials: int
    price: float | None = None

    def scaled(self, share: float) -> "Estimate":
        """Return this estimate multiplied by a share of training."""
        return Estimate(self.seconds * share, self.low * share, self.high * share, self.device, self.trials, self.price)

    @property
    def cost(self) -> float | None:
        """Expected cost in the currency of the price, or None without a price."""
        return None if self.price is None else round(self.seconds / 3600 * self.price, 4)


def estimate_trial(
    plan: TrialPlan, examples: int, earlier: Sequence[Trial], defaults: Mapping[str, Any], prices: Mapping[str, float]
) -> Estimate | None:
    """Return the estimate of a trial, scaled by its number of tokens, or None if no earlier trial is comparable.

    Comparable trials have the same trainer and method, and ran on the device of the newest such trial. Fewer than three
    trials say little about the variance: the range is then at least 25 % to both sides.

    Args:
        plan: Settings of the trial.
        examples: Number of training examples.
        earlier: Finished trials of the recipe, the newest last.
        defaults: Values of settings that a plan does not name.
        prices: Prefix of a device name → price of an hour.
    """
    kind = (plan.trainer, plan.method)
    alike = [one for one in earlier if (one.key.plan.trainer, one.key.plan.method) == kind]
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
    """Return the number of epochs of a trial."""
    settings = {"gradient_accumulation_steps": 1, **defaults, **plan.settings}
    steps = settings.get("max_steps", -1)
    if steps > 0:  # as in TRL, max_steps overrides num_train_epochs
        batch = settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"]
        return float(steps * batch / max(examples, 1))
    return float(settings["num_train_epochs"])


def count_trainings(ends: Sequence[float], configurations: int, pruning: Pruning) -> float:
    """Return the training after the first rung as a number of full trainings, with one seed per configuration.

    Args:
        ends: Shares of training at the rungs and at the end, ascending.
        configurations: Number of configurations that train to the first of these shares.
        pruning: Decides how many configurations survive each rung.
    """
    trainings = 0.0
    for begin, end in pairwise(ends):
        configurations = pruning.count_kept(configurations)
        trainings += (end - begin) * configurations
    return trainings


def add_estimates(estimates: Sequence[Estimate]) -> Estimate | None:
    """Return the sum of estimates on one device, or None if there are none. Lows and highs add up as well."""
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
    """Return a message if training is expected to exceed the budget, or None if it is not or cannot be estimated.

    Args:
        budget: Budget of the blueprint.
        estimate: Estimate of the remaining training.
        spent_s: Seconds that its trials have already used.
    """
    if budget is None or estimate is None:
        return None
    minutes = (estimate.seconds + spent_s) / 60
    if budget.gpu_minutes is not None and minutes > budget.gpu_minutes:
        return (
            f"training is expected to take {minutes:,.1f} device minutes, more than the budget of "
            f"{budget.gpu_minutes:g}: it would stop early"
        )
    if budget.cost is None:
        return None
    if estimate.price is None:
        return f"the budget is a cost, but NIGHTLOOM_PRICES has no price for {estimate.device!r}; add one"
    cost = minutes / 60 * estimate.price
    if cost > budget.cost:
        return f"training is expected to cost {cost:,.2f}, more than the budget of {budget.cost:g}: it would stop early"
    return None
