"""What every trainer is: from a blueprint to an adapter's files and an account of it, along the course of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan
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


@dataclass(frozen=True, slots=True)
class Course:
    """The course of a run: where it goes on, where it halts, and whom it tells. Alone, it begins and goes to the end.

    Attributes:
        checkpoint: Folder of the checkpoint to go on from; none: training begins.
        halvings: How often the batch is halved.
        halt: Share of the training after which to halt, with a checkpoint; none: at the end.
        tell: Hears of every step: its number, of how many, and what was measured at it. Raises what ends the run.
        is_due: Tells whether to save a checkpoint after this step.
        keep: Takes over the folder of a checkpoint, with its step and halvings; there is none where it could not be
            written. Raises what ends the run once it is kept.
    """

    checkpoint: Path | None = None
    halvings: int = 0
    halt: float | None = None
    tell: Callable[[int, int, Mapping[str, float]], None] = lambda step, steps, metrics: None
    is_due: Callable[[], bool] = lambda: False
    keep: Callable[[Path, int, int], None] = lambda folder, step, halvings: None

    def last_step(self, steps: int) -> int:
        """Return the step at which a training of so many steps ends on this course."""
        return steps if self.halt is None else max(1, round(self.halt * steps))


class Trainer(Protocol):
    """Makes an adapter. It reads of the blueprint's snapshot and base model what it needs."""

    def __call__(
        self, store: ObjectStore, spec: BlueprintSpec, plan: TrialPlan, folder: Path, course: Course
    ) -> Training | HeldOutLoss:
        """Write the adapter's files into the folder; equal blueprints and plans give equal bytes, on any course.

        Where the course halts, nothing is written, and the loss on the selection split is given.

        Raises:
            InputError: A setting is unknown, or nothing can be learned from the examples.
            DivergenceError: The loss became no number.
            FaultError: The disk is full.
        """
        ...
