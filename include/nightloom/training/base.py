"""What every trainer is: from a blueprint to an adapter's files and an account of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nightloom.artifacts.blueprints import BlueprintIdentity, TrialPlan
from nightloom.artifacts.training import HeldOutLoss, LossPoint
from nightloom.core.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Training:
    """What training came to.

    Attributes:
        steps: Optimizer steps.
        examples: Examples learned from.
        tokens: Their tokens, counted once.
        label_tokens: Of those, tokens whose prediction is learned.
        tokens_seen: Tokens of all steps together.
        left_out: Examples that do not fit the model's context; they are never cut.
        curve: The loss over steps.
        kept_step: The step whose weights were written.
        held_out: The loss on the selection split, the kept weights' last; empty where that split is.
        sample: Blob of a LABELS frame with one example.
        device: What it ran on.
        adjustments: What was done otherwise than planned, a sentence each.
    """

    steps: int
    examples: int
    tokens: int
    label_tokens: int
    tokens_seen: int
    left_out: int
    curve: tuple[LossPoint, ...]
    kept_step: int
    held_out: tuple[HeldOutLoss, ...] = ()
    sample: str | None = None
    device: str = "cpu"
    adjustments: tuple[str, ...] = ()


class Trainer(Protocol):
    """Makes an adapter. It reads of the blueprint's snapshot and base model what it needs."""

    def __call__(self, store: ObjectStore, blueprint: BlueprintIdentity, plan: TrialPlan, folder: Path) -> Training:
        """Write the adapter's files into the folder; equal blueprints and plans give equal bytes.

        Raises:
            InputError: A setting is unknown, or nothing can be learned from the examples.
        """
        ...
