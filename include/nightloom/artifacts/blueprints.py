"""Blueprint manifests: all that determines a result, pinned before anything trains."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from nightloom.artifacts.ids import BaseId, BlueprintId, EvalSetId, SnapshotId
from nightloom.artifacts.models import TaskSpec
from nightloom.core.manifests import Artifact, Plain
from nightloom.recipes.training import Budget, EarlyStopping, Pruning


class EvalSetUse(Plain):
    """An eval set in a blueprint, with the effect that a comparison on it can detect."""

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
    model: dict[str, Any] = Field(default_factory=dict, description="How to load the base model.")
    lora: dict[str, Any]
    settings: dict[str, Any]
    early_stopping: EarlyStopping | None = None
    seed: int


class BlueprintSpec(Plain):
    """All inputs that determine the result. No night is among them: unchanged inputs give the same blueprint."""

    recipe: str
    snapshot: SnapshotId
    base: BaseId
    tokenizer: str | None = Field(
        default=None, description="Digest of the base model's tokenizer, or None if it has none."
    )
    template: str | None = Field(default=None, description="Digest of the chat template's text, or None.")
    task: TaskSpec
    trials: tuple[TrialPlan, ...] = Field(description="Trials, sampled when the blueprint was compiled.")
    pruning: Pruning | None = None
    budget: Budget | None = None
    primary: str
    eval_sets: tuple[EvalSetUse, ...]
    max_new_tokens: int
    linear_classifier: bool = Field(
        default=True, description="Whether TF-IDF with logistic regression is scored too, for comparison only."
    )
    promote_on: Literal["better", "not_worse"]
    margin: float
    confidence: float
    code: dict[str, str] = Field(description="Digests of our code that turns rows into a verdict.")
    packages: dict[str, str] = Field(description="Versions of torch, transformers, peft, trl, tokenizers.")


class BlueprintProvenance(Plain):
    """The environment in which it was compiled."""

    night: str
    packages: dict[str, str] = Field(description="Every installed package.")
    python: str
    machine: str


class Blueprint(Artifact[BlueprintId]):
    """Everything to be trained and compared, stored before training starts."""

    kind: ClassVar[str] = "blueprint"
    stays_in_memory: ClassVar[bool] = True
    content: BlueprintSpec
    provenance: BlueprintProvenance


def number_configurations(plans: Sequence[TrialPlan]) -> list[int]:
    """Return each trial's configuration number, in order of first appearance."""
    settings = [plan.model_copy(update={"seed": 0}).model_dump_json() for plan in plans]
    numbers = {one: number for number, one in enumerate(dict.fromkeys(settings))}
    return [numbers[one] for one in settings]


def list_differing_settings(plans: Sequence[TrialPlan]) -> list[dict[str, Any]]:
    """Return the settings in which plans differ, by path, for each plan; the seed is left out."""
    flat = [_flatten(plan) for plan in plans]
    paths = dict.fromkeys(name for one in flat for name in one)
    differing = [path for path in paths if len({repr(one.get(path)) for one in flat}) > 1]
    return [{path: one.get(path) for path in differing} for one in flat]


def _flatten(plan: TrialPlan) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, value in plan.model_dump(mode="json", exclude={"seed"}).items():
        if isinstance(value, dict):
            flat |= {f"{section}.{name}": setting for name, setting in value.items()}
        elif value is not None:
            flat[section] = value
    return flat
