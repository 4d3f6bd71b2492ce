"""Early stopping: evaluations of the held-out loss during training, and the best weights so far."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from nightloom.artifacts.training import HeldOutLoss
from nightloom.core.errors import InputError
from nightloom.recipes.training import EarlyStopping
from nightloom.training.distributed import lead
from nightloom.training.held_out import measure_held_out, pick_held_out

_WEIGHTS = "best.safetensors"
_HISTORY = "held_out.json"


class EvalHistory:
    """Evaluations of the held-out loss: one at the end, and with early stopping also during training.

    Args:
        rows: TOKENS frame of the selection split.
        context: Maximum number of tokens of the model.
        early_stopping: How often to evaluate, and when to stop; None for one evaluation at the end.
        needed: Whether trials are ranked by this loss.

    Raises:
        InputError: The loss is needed, and the selection split has fewer than two examples.
    """

    def __init__(
        self, rows: pl.DataFrame, context: int, early_stopping: EarlyStopping | None, *, needed: bool = False
    ) -> None:
        self.held_out: tuple[HeldOutLoss, ...] = ()
        self._examples = pick_held_out(rows, context)
        self._plan = early_stopping
        self._best_weights: dict[str, Any] = {}
        if len(self._examples) < 2 and (early_stopping or needed):
            what = "train.early_stopping" if early_stopping else "the ranking of trials"
            msg = (
                f"{what} needs the loss on the selection split, and only {len(self._examples)} of its examples are "
                f"usable; raise prepare.split.selection"
            )
            raise InputError(msg)

    @property
    def should_stop(self) -> bool:
        """Whether the held-out loss has not improved for `patience` evaluations."""
        if self._plan is None or not self.held_out:
            return False
        return len(self.held_out) - self.held_out.index(self._best) > self._plan.patience

    @property
    def last_step(self) -> int:
        """The step of the last evaluation; 0 before the first."""
        return self.held_out[-1].step if self.held_out else 0

    @property
    def _best(self) -> HeldOutLoss:
        return min(self.held_out, key=lambda held_out: held_out.loss)  # the first of equal ones

    def is_due(self, step: int, steps: int) -> bool:
        """Whether an evaluation is due after a step."""
        return self._plan is not None and step % max(1, round(self._plan.every * steps)) == 0

    def evaluate(self, model: Any, step: int) -> None:
        """Evaluate the model, and copy its trained weights if they are the best so far."""
        # One process evaluates for all: different rounding would make processes stop at different steps.
        self.held_out = (*self.held_out, lead(lambda: measure_held_out(model, self._examples, step)))
        if self._plan and self._best is self.held_out[-1]:
            self._best_weights = {name: weight.detach().to("cpu", copy=True) for name, weight in _list_trained(model)}

    def finish(self, model: Any, step: int) -> int:
        """Evaluate the final weights, restore the best ones, and return their step.

        The last evaluation in the history is then that of the restored weights.
        """
        import torch

        if len(self._examples) < 2:
            return step
        if self.last_step != step:
            self.evaluate(model, step)
        if self._plan is None or self._best is self.held_out[-1]:
            return step
        # Repeated at the end, because the last entry is the loss of the written weights.
        self.held_out = (*self.held_out, self._best)
        with torch.no_grad():
            for name, weight in _list_trained(model):
                weight.copy_(self._best_weights[name])
        return self.last_step

    def evaluate_at_halt(self, model: Any, step: int) -> HeldOutLoss:
        """Return the loss for ranking a halted trial: with early stopping, that of the best weights so far."""
        now = lead(lambda: measure_held_out(model, self._examples, step))
        best = self._best if self._plan and self.held_out else now
        return best if best.loss <= now.loss else now

    def save_to(self, folder: Path) -> None:
        """Write the evaluation history and the best weights into a checkpoint's folder."""
        from safetensors.torch import save_file

        history = [held_out.model_dump() for held_out in self.held_out]
        (folder / _HISTORY).write_text(json.dumps(history), encoding="utf-8")
        if self._best_weights:
            save_file(self._best_weights, folder / _WEIGHTS)

    def load_from(self, folder: Path) -> None:
        """Read what `save_to` wrote."""
        from safetensors.torch import load_file

        history = json.loads((folder / _HISTORY).read_text(encoding="utf-8"))
        self.held_out = tuple(HeldOutLoss.model_validate(held_out) for held_out in history)
        self._best_weights = load_file(folder / _WEIGHTS) if (folder / _WEIGHTS).exists() else {}


def make_callback(history: EvalHistory) -> Any:
    """Return a Trainer callback that evaluates when it is due, and saves a checkpoint when training should stop."""
    from transformers import TrainerCallback

    class EvalCallback(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_end(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
            if history.is_due(state.global_step, state.max_steps):
                history.evaluate(model, state.global_step)
                control.should_training_stop |= history.should_stop
                control.should_save |= history.should_stop

    return EvalCallback()


def _list_trained(model: Any) -> list[tuple[str, Any]]:
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
