"""Trainers: the protocol that turns a blueprint into an adapter's files, its result, and the controls of an attempt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan
from nightloom.artifacts.training import HeldOutLoss, LossPoint
from nightloom.core.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Training:
    """The result of a training.

    Attributes:
        steps: Optimizer steps.
        examples: Training examples.
        tokens: Tokens of the examples, counted once.
        label_tokens: Tokens whose prediction is learned.
        tokens_seen: Tokens of all steps together.
        left_out: Examples longer than the model's context; examples are never truncated.
        curve: The training loss by step.
        kept_step: The step whose weights were written.
        held_out: The losses on the selection split, the last one of the written weights; empty if the split is empty.
        sample: Blob of a LABELS frame with one example.
        device: The device.
        adjustments: Differences from the plan, one message each.
        changed_answers: Examples whose answer the chat template does not write as it is.
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
    changed_answers: int = 0


@dataclass(frozen=True, slots=True)
class TrainingControl:
    """Controls for one training attempt: where to resume, where to stop, and callbacks.

    The defaults train from scratch to the end.

    Attributes:
        checkpoint: Folder of the checkpoint to resume from, or None to start from scratch.
        halvings: Number of times the batch is halved.
        halt: Share of the training after which to halt and save a checkpoint, or None for the end.
        on_step: Called with every step's number, the number of steps, and the metrics. May raise to end the attempt.
        is_save_due: Whether to save a checkpoint after this step.
        on_save: Called with the folder of a saved checkpoint, its step and its halvings. The folder is missing if it
            could not be written. May raise to end the attempt.
    """

    checkpoint: Path | None = None
    halvings: int = 0
    halt: float | None = None
    on_step: Callable[[int, int, Mapping[str, float]], None] = lambda step, steps, metrics: None
    is_save_due: Callable[[], bool] = lambda: False
    on_save: Callable[[Path, int, int], None] = lambda folder, step, halvings: None

    def last_step(self, steps: int) -> int:
        """Return the last step of a training of `steps` steps."""
        return steps if self.halt is None else max(1, round(self.halt * steps))


class Trainer(Protocol):
    """Trains an adapter from a blueprint's snapshot and base model."""

    def __call__(
        self, store: ObjectStore, spec: BlueprintSpec, plan: TrialPlan, folder: Path, control: TrainingControl
    ) -> Training | HeldOutLoss:
        """Write the adapter's files into the folder; equal blueprints and plans give equal bytes, also after a resume.

        If the control halts before the end, write nothing, and return the loss on the selection split.

        Raises:
            InputError: A setting is unknown, or nothing can be learned from the examples.
            DivergenceError: The loss is not finite.
            FaultError: The disk is full.
        """
        ...
