"""Budgets: how many device seconds a trial may still take within its recipe's budget."""

import json
import math
from collections.abc import Mapping, Sequence

from nightloom.core.errors import BudgetError, InputError
from nightloom.core.prices import price_of
from nightloom.recipes.training import Budget
from nightloom.registry.trials import TrialProgress


class BudgetTracker:
    """Track what a blueprint's trials may still spend.

    Args:
        budget: The recipe's budget.
        device: What this trial runs on.
        prices: Money per hour, by prefix of the device's name.

    Raises:
        InputError: The budget is in money, and the device has no price.
    """

    def __init__(self, budget: Budget, device: str, prices: Mapping[str, float]) -> None:
        self._budget, self._device, self._prices = budget, device, prices
        self._others: Sequence[TrialProgress] = ()
        if budget.cost is not None:
            self._price_of(device)

    def update_others(self, others: Sequence[TrialProgress]) -> None:
        """Update the progress of the blueprint's other trials."""
        self._others = others

    def left(self, own: float) -> float:
        """Return the device seconds that are left after this trial has used `own`."""
        left = []
        if self._budget.gpu_minutes is not None:
            left.append(self._budget.gpu_minutes * 60 - own - sum(one.seconds for one in self._others))
        # A device that costs nothing has no limit.
        if self._budget.cost is not None and (price := self._price_of(self._device)):
            left.append((self._budget.cost - self._cost_of_others()) / price * 3600 - own)
        return min(left, default=math.inf)

    def exceeded(self, own: float) -> BudgetError:
        """Return the error that names the spending and the setting to raise."""
        spent = []
        if self._budget.gpu_minutes is not None:
            minutes = (own + sum(one.seconds for one in self._others)) / 60
            spent.append(f"{minutes:.2f} of {self._budget.gpu_minutes:g} minutes (train.budget.gpu_minutes)")
        if self._budget.cost is not None:
            cost = self._cost_of_others() + own / 3600 * self._price_of(self._device)
            spent.append(f"{cost:.4f} of {self._budget.cost:g} in money (train.budget.cost)")
        return BudgetError(
            f"training has used {' and '.join(spent)}, and the next step would exceed the budget; raise it, and "
            f"training continues from its last checkpoint"
        )

    def _cost_of_others(self) -> float:
        return sum(one.seconds / 3600 * self._price_of(one.device) for one in self._others)

    def _price_of(self, device: str) -> float:
        price = price_of(device, self._prices)
        if price is None:
            example = json.dumps({device: 2.5})
            msg = (
                f"the recipe's budget is in money, and {device!r} has no price; set NIGHTLOOM_PRICES to money per hour "
                f"by device, such as '{example}'"
            )
            raise InputError(msg)
        return price
