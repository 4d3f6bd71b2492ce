"""Budgets: how many seconds of a device a trial may still take, before more is spent than its recipe allows."""

import json
import math
from collections.abc import Mapping, Sequence

from nightloom.core.errors import BudgetError, InputError
from nightloom.core.prices import price_of
from nightloom.recipes.training import Budget
from nightloom.registry.trials import TrialProgress


class Purse:
    """What may still be spent on a blueprint's trials.

    Args:
        budget: Of the recipe.
        device: What this trial runs on.
        prices: Money an hour, by the beginning of a device's name.

    Raises:
        InputError: There is a budget of money, and the device has no price.
    """

    def __init__(self, budget: Budget, device: str, prices: Mapping[str, float]) -> None:
        self._budget, self._device, self._prices = budget, device, prices
        self._others: Sequence[TrialProgress] = ()
        if budget.cost is not None:
            self._price_of(device)

    def note_others(self, others: Sequence[TrialProgress]) -> None:
        """Describe what the blueprint's other trials have taken until now."""
        self._others = others

    def left(self, own: float) -> float:
        """Return how many seconds are left once this trial has taken so many."""
        left = []
        if self._budget.gpu_minutes is not None:
            left.append(self._budget.gpu_minutes * 60 - own - sum(one.seconds for one in self._others))
        # What costs nothing may take as long as it likes.
        if self._budget.cost is not None and (price := self._price_of(self._device)):
            left.append((self._budget.cost - self._cost_of_others()) / price * 3600 - own)
        return min(left, default=math.inf)

    def refusal(self, own: float) -> BudgetError:
        """Return the error that says what was spent, and what to raise."""
        spent = []
        if self._budget.gpu_minutes is not None:
            minutes = (own + sum(one.seconds for one in self._others)) / 60
            spent.append(f"{minutes:.2f} of {self._budget.gpu_minutes:g} minutes (train.budget.gpu_minutes)")
        if self._budget.cost is not None:
            cost = self._cost_of_others() + own / 3600 * self._price_of(self._device)
            spent.append(f"{cost:.4f} of {self._budget.cost:g} in money (train.budget.cost)")
        return BudgetError(
            f"training has taken {' and '.join(spent)}, and more would exceed it; raise it, and training goes on from "
            f"where it stopped"
        )

    def _cost_of_others(self) -> float:
        return sum(one.seconds / 3600 * self._price_of(one.device) for one in self._others)

    def _price_of(self, device: str) -> float:
        price = price_of(device, self._prices)
        if price is None:
            example = json.dumps({device: 2.5})
            msg = (
                f"the recipe's budget is money, and {device!r} has no price; set NIGHTLOOM_PRICES to money an hour by "
                f"device, such as '{example}'"
            )
            raise InputError(msg)
        return price
