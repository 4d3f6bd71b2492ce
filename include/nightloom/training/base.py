"""What every trainer is: from examples and a base model's folder to an adapter's files and an account of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nightloom.artifacts.models import LossPoint, TrialPlan


@dataclass(frozen=True, slots=True)
class ChatExample:
    """One training item: the messages that the model is shown, and the answer it should give."""

    prompt: list[dict[str, str]]
    answer: str


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
    """

    steps: int
    examples: int
    tokens: int
    label_tokens: int
    tokens_seen: int
    left_out: int
    curve: tuple[LossPoint, ...]


class Trainer(Protocol):
    """Makes an adapter."""

    def __call__(self, plan: TrialPlan, base: Path, examples: Sequence[ChatExample], folder: Path) -> Training:
        """Write the adapter's files into the folder; equal arguments give equal bytes."""
        ...
