"""Blueprint manifests: all that determines a result, pinned before anything trains."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.ids import BaseId, BlueprintId, EvalSetId, SnapshotId
from nightloom.artifacts.models import TaskSpec
from nightloom.core.manifests import Artifact, Plain
from nightloom.recipes.training import Budget, EarlyStopping, Pruning


class EvalSetUse(Plain):
    """An eval set in a blueprint, with what a comparison on it can show."""

    name: str
    evalset: EvalSetId
    items: int
    minimum_detectable_effect: float = Field(
        description="Smallest paired difference found with 80 % power at 10 % discordant items."
    )


class TrialPlan(Plain):
    """Settings of one training attempt."""

    trainer: Literal["trl", "dummy"]
    method: Literal["lora", "full"]
    model: dict[str, Any] = Field(default_factory=dict, description="How the base model is loaded.")
    lora: dict[str, Any]
    settings: dict[str, Any]
    early_stopping: EarlyStopping | None = None
    seed: int


class BlueprintSpec(Plain):
    """All that determines the result. It names no night: unchanged inputs are the same blueprint."""

    recipe: str
    snapshot: SnapshotId
    base: BaseId
    tokenizer: str | None = Field(default=None, description="Digest of the base model's tokenizer; none: it has none.")
    template: str | None = Field(default=None, description="Digest of the text of its chat template.")
    task: TaskSpec
    trials: tuple[TrialPlan, ...] = Field(description="Drawn when the blueprint was compiled.")
    pruning: Pruning | None = None
    budget: Budget | None = None
    primary: str
    eval_sets: tuple[EvalSetUse, ...]
    max_new_tokens: int
    linear_classifier: bool = Field(
        default=True, description="TF-IDF and logistic regression are scored beside the models; they decide nothing."
    )
    promote_on: Literal["better", "not_worse"]
    margin: float
    confidence: float
    code: dict[str, str] = Field(description="Digest of each of our packages that turns rows into a verdict.")
    packages: dict[str, str] = Field(description="Versions of torch, transformers, peft, trl, tokenizers.")


class BlueprintProvenance(Plain):
    """Observed when it was compiled."""

    night: str
    packages: dict[str, str] = Field(description="Every installed package.")
    python: str
    machine: str


class Blueprint(Artifact[BlueprintId]):
    """What will be trained and compared, stored before anything trains."""

    kind: ClassVar[str] = "blueprint"
    stays_in_memory: ClassVar[bool] = True
    content: BlueprintSpec
    provenance: BlueprintProvenance


def number_configurations(plans: Sequence[TrialPlan]) -> list[int]:
    """Return the number of each trial's draw, in the order in which draws appear."""
    drawn = [plan.model_copy(update={"seed": 0}).model_dump_json() for plan in plans]
    numbers = {draw: number for number, draw in enumerate(dict.fromkeys(drawn))}
    return [numbers[draw] for draw in drawn]


def list_differing_settings(plans: Sequence[TrialPlan]) -> list[dict[str, Any]]:
    """Return each plan's settings in which plans differ, by their place; the seed is none of them."""
    flat = [_flatten(plan) for plan in plans]
    places = dict.fromkeys(name for one in flat for name in one)
    differing = [place for place in places if len({repr(one.get(place)) for one in flat}) > 1]
    return [{place: one.get(place) for place in differing} for one in flat]


def _flatten(plan: TrialPlan) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, value in plan.model_dump(mode="json", exclude={"seed"}).items():
        if isinstance(value, dict):
            flat |= {f"{section}.{name}": setting for name, setting in value.items()}
        elif value is not None:
            flat[section] = value
    return flat
