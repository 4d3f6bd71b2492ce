"""Plans: what running a blueprint would do, step by step."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from nightloom.artifacts.blueprints import Blueprint
from nightloom.blueprints.changes import Change
from nightloom.blueprints.estimate import Estimate

Status = Literal["exists", "would run", "unknown", "missing"]


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One line of a plan: an input, or a result of a step.

    Attributes:
        name: Such as `trial 0` or `scores of baseline on gold`.
        status: Whether its result is there. `missing`: it is an input that is gone.
        id: Of the result, where it is there.
        reason: Why it would run, or what it waits for.
        estimate: What it will take, where it would run and there is something to go by.
    """

    name: str
    status: Status
    id: str | None = None
    reason: str = ""
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What running a blueprint would do.

    Attributes:
        recipe: Its recipe.
        night: The night whose champion it is compared with.
        blueprint: What would run; none: it is not known before the base model is frozen.
        stands: It is stored.
        since: The blueprint before it; none: it is the recipe's first.
        changes: What changed since.
        items: In the order in which they are made.
        surroundings: What of code and packages is not as the blueprint says: running it here is refused.
        estimate: Of all that would be trained; none: there is nothing to train, or nothing to go by.
        over_budget: A sentence, when it is expected to take more than its budget.
    """

    recipe: str
    night: date
    blueprint: Blueprint | None
    stands: bool = False
    since: Blueprint | None = None
    changes: list[Change] = field(default_factory=list)
    items: list[PlanItem] = field(default_factory=list)
    surroundings: list[Change] = field(default_factory=list)
    estimate: Estimate | None = None
    over_budget: str | None = None
