"""Progress: one log line every few seconds with step, loss, speed and time left, and the loss curve."""

import logging
import time
from typing import Any

from nightloom.artifacts.training import LossPoint

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 5.0


def describe_progress(step: int, steps: int, loss: float | None, tokens: int, seconds: float) -> str:
    """Give one line such as `step 40/250 loss 0.412 9,800 tokens/s 0:38 left`."""
    left = round(seconds / step * (steps - step)) if step else 0
    told = "" if loss is None else f" loss {loss:.3f}"
    return f"step {step}/{steps}{told} {tokens / max(seconds, 1e-9):,.0f} tokens/s {left // 60}:{left % 60:02d} left"


def make_progress(tokens_an_epoch: int) -> Any:
    """Give a Trainer callback that logs progress and keeps the loss curve."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        """Logs as time passes, whatever the number of steps."""

        def __init__(self) -> None:
            self.points: list[LossPoint] = []
            self.started = self.told = 0.0

        @property
        def curve(self) -> tuple[LossPoint, ...]:
            """The loss over steps."""
            return tuple(self.points)

        def tokens_seen(self, epochs: float) -> int:
            """Tokens of that many epochs."""
            return round(tokens_an_epoch * epochs)

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.started = self.told = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                self.points.append(
                    LossPoint(step=state.global_step, loss=logs["loss"], learning_rate=logs["learning_rate"])
                )

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            now = time.monotonic()
            if now - self.told >= _SECONDS_BETWEEN_LINES or state.global_step == state.max_steps:
                self.told = now
                loss = self.points[-1].loss if self.points else None
                tokens = self.tokens_seen(state.epoch)
                logger.info(
                    "%s", describe_progress(state.global_step, state.max_steps, loss, tokens, now - self.started)
                )

    return Progress()
