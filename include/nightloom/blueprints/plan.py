"""Plan: what running a blueprint would do, item by item."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from nightloom.artifacts.blueprints import Blueprint
from nightloom.blueprints.changes import Change
from nightloom.blueprints.estimate import Estimate

Status = Literal["exists", "would run", "unknown", "missing"]


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One line of a plan: an input, or the result of a step.

    Attributes:
        name: Such as `trial 0` or `scores of baseline on gold`.
        status: Whether the result exists. `missing`: an input is not in the store.
        id: Id of the result, or None if it does not exist.
        reason: Why the item would run, or what it waits for.
        estimate: Estimated training time, or None if the item does not train or nothing is known.
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
        recipe: Name of the recipe.
        night: Night whose champion the candidate is compared with.
        blueprint: Blueprint that would run, or None if the base model has to be frozen first.
        is_stored: Whether the blueprint is in the store.
        previous: Blueprint before this one, or None if this is the recipe's first.
        changes: Differences from the previous blueprint.
        items: In the order in which they would be made.
        environment_changes: Differences of code and packages from the blueprint: if any, it cannot run here.
        estimate: Of all training that would run, or None if there is none or nothing is known.
        over_budget: Message if the estimate exceeds the budget, or None.
    """

    recipe: str
    night: date
    blueprint: Blueprint | None
    is_stored: bool = False
    previous: Blueprint | None = None
    changes: list[Change] = field(default_factory=list)
    items: list[PlanItem] = field(default_factory=list)
    environment_changes: list[Change] = field(default_factory=list)
    estimate: Estimate | None = None
    over_budget: str | None = None
