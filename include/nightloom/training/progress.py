"""Progress: one log line every few seconds with step, loss, speed and time left, and the loss curve."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from nightloom.artifacts.training import LossPoint
from nightloom.core.durations import TimeLeft, describe_progress
from nightloom.core.errors import DivergenceError
from nightloom.training.base import TrainingControl

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 5.0
_WITHOUT_WARMUP = ("constant", "greedy", "reduce_lr_on_plateau")
"""Schedules that ignore `warmup_steps`."""
_REPORTED = ("loss", "learning_rate", "grad_norm")


def read_curve(history: list[dict[str, float]]) -> tuple[LossPoint, ...]:
    """Return the training loss by step from transformers' log history, including steps before a resume."""
    return tuple(
        LossPoint(step=int(logged["step"]), loss=logged["loss"], learning_rate=logged["learning_rate"])
        for logged in history
        if "loss" in logged
    )


def make_progress(tokens_an_epoch: int, training_control: TrainingControl) -> Any:
    """Return a Trainer callback that logs and reports progress, and ends a diverged training."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        """Logs as time passes, whatever the number of steps."""

        def __init__(self) -> None:
            self.loss: float | None = None
            self.time_left = TimeLeft(0)
            self.tokens_begun = self.tokens_logged = 0
            self.started = self.reported = self.logged = 0.0

        def tokens_seen(self, epochs: float | None) -> int:
            """Return the tokens of a number of epochs."""
            return round(tokens_an_epoch * (epochs or 0.0))

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.time_left = TimeLeft(state.max_steps, state.global_step)
            self.tokens_begun = self.tokens_seen(state.epoch)
            self.tokens_logged = self.tokens_begun
            self.started = self.reported = self.logged = time.monotonic()
            training_control.on_step(state.global_step, state.max_steps, {})
            if note := describe_warmup(args, state.max_steps):
                logger.warning("%s", note)

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" not in logs:
                return
            _refuse_divergence(state.global_step, logs, scaled=args.fp16)
            self.loss = logs["loss"]
            now, tokens = time.monotonic(), self.tokens_seen(state.epoch)
            metrics = {name: logs[name] for name in _REPORTED if name in logs}
            metrics["tokens_per_second"] = (tokens - self.tokens_logged) / max(now - self.logged, 1e-9)
            self.logged, self.tokens_logged = now, tokens
            training_control.on_step(state.global_step, state.max_steps, metrics)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            training_control.on_step(state.global_step, state.max_steps, {})
            now = time.monotonic()
            left_s = self.time_left.estimate(state.global_step, now)
            if now - self.reported >= _SECONDS_BETWEEN_LINES or state.global_step == state.max_steps:
                self.reported = now
                step, seconds = state.global_step, now - self.started
                tokens = self.tokens_seen(state.epoch) - self.tokens_begun
                logger.info("%s", describe_progress(step, state.max_steps, self.loss, tokens, seconds, left_s))

    return Progress()


def describe_warmup(args: Any, steps: int) -> str | None:
    """Return that the warmup outlasts a training, or None. A source that shrinks makes any fixed number too large.

    Args:
        args: The trainer's arguments.
        steps: Number of steps of the training.
    """
    warmup = args.get_warmup_steps(steps)
    if warmup < steps or str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)) in _WITHOUT_WARMUP:
        return None
    return (
        f"the learning rate never reaches {args.learning_rate:g}, because training has {steps} steps and "
        f"train.settings.warmup_steps is {warmup}; lower it, or write a share of the steps, such as 0.1"
    )


def refuse_broken_weights(model: Any, step: int) -> None:
    """Refuse trained weights that are not finite.

    Raises:
        DivergenceError: A weight is not finite.
    """
    for parameter in model.parameters():
        if parameter.requires_grad and not bool(parameter.isfinite().all()):
            raise divergence_error(step, "a weight that is not finite")


def divergence_error(step: int, what: str) -> DivergenceError:
    """Return the error for a training that diverged by a step, with the value that is not finite."""
    return DivergenceError(
        f"training diverged by step {step} ({what}); lower train.settings.learning_rate or max_grad_norm, or lengthen "
        f"warmup_steps"
    )


def _refuse_divergence(step: int, logs: Mapping[str, float], *, scaled: bool) -> None:
    """Refuse values that are not finite. With a scaled loss (fp16) gradients may overflow: such a step is skipped."""
    for name in ("loss",) if scaled else ("loss", "grad_norm"):
        value = float(logs.get(name, 0.0))
        if not math.isfinite(value):
            raise divergence_error(step, f"{name} {value}")
