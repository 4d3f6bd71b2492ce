"""Early stopping: looks at the held-out loss while a model trains, and the weights of the best of them."""

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
_LOOKS = "held_out.json"


class Looks:
    """Looks at the held-out loss: once at the end, and with early stopping on the way too.

    Args:
        rows: TOKENS frame of the selection split.
        context: Tokens that the model can hold.
        early_stopping: How often, and when it ends the training.
        needed: Trials are ranked by this loss.

    Raises:
        InputError: It is needed, and the selection split has fewer than two examples.
    """

    def __init__(
        self, rows: pl.DataFrame, context: int, early_stopping: EarlyStopping | None, *, needed: bool = False
    ) -> None:
        self.held_out: tuple[HeldOutLoss, ...] = ()
        self._examples = pick_held_out(rows, context)
        self._plan = early_stopping
        self._best_weights: dict[str, Any] = {}
        if len(self._examples) < 2 and (early_stopping or needed):
            what = "train.early_stopping stops by" if early_stopping else "trials are ranked by"
            msg = (
                f"{what} the loss on the selection split, which has {len(self._examples)} examples that fit; raise "
                f"prepare.split.selection"
            )
            raise InputError(msg)

    @property
    def over(self) -> bool:
        """Whether the loss fell no more for as many looks as the recipe is patient: nothing more is to be trained."""
        if self._plan is None or not self.held_out:
            return False
        return len(self.held_out) - self.held_out.index(self._best) > self._plan.patience

    @property
    def last_step(self) -> int:
        """The step of the last look; 0 before the first."""
        return self.held_out[-1].step if self.held_out else 0

    @property
    def _best(self) -> HeldOutLoss:
        return min(self.held_out, key=lambda look: look.loss)  # the first of equal ones

    def is_due(self, step: int, steps: int) -> bool:
        """Whether a look is due after a step of so many."""
        return self._plan is not None and step % max(1, round(self._plan.every * steps)) == 0

    def look(self, model: Any, step: int) -> None:
        """Measure, and keep a copy of the weights that are trained if they are the best so far."""
        # One for all: processes that rounded otherwise would not stop together.
        self.held_out = (*self.held_out, lead(lambda: measure_held_out(model, self._examples, step)))
        if self._plan and self._best is self.held_out[-1]:
            self._best_weights = {name: weight.detach().to("cpu", copy=True) for name, weight in _list_trained(model)}

    def finish(self, model: Any, step: int) -> int:
        """Look at what training ended with, give the model the best weights, and return the step that they are of.

        The last look is then that of these weights.
        """
        import torch

        if len(self._examples) < 2:
            return step
        if self.last_step != step:
            self.look(model, step)
        if self._plan is None or self._best is self.held_out[-1]:
            return step
        self.held_out = (*self.held_out, self._best)
        with torch.no_grad():
            for name, weight in _list_trained(model):
                weight.copy_(self._best_weights[name])
        return self.last_step

    def stand(self, model: Any, step: int) -> HeldOutLoss:
        """Return the loss that a trial is ranked by where it halts: with early stopping, of the best weights so far."""
        now = lead(lambda: measure_held_out(model, self._examples, step))
        best = self._best if self._plan and self.held_out else now
        return best if best.loss <= now.loss else now

    def save_to(self, folder: Path) -> None:
        """Write the looks and the best weights into a checkpoint's folder."""
        from safetensors.torch import save_file

        looks = [look.model_dump() for look in self.held_out]
        (folder / _LOOKS).write_text(json.dumps(looks), encoding="utf-8")
        if self._best_weights:
            save_file(self._best_weights, folder / _WEIGHTS)

    def load_from(self, folder: Path) -> None:
        """Read what `save_to` wrote."""
        from safetensors.torch import load_file

        looks = json.loads((folder / _LOOKS).read_text(encoding="utf-8"))
        self.held_out = tuple(HeldOutLoss.model_validate(look) for look in looks)
        self._best_weights = load_file(folder / _WEIGHTS) if (folder / _WEIGHTS).exists() else {}


def make_callback(looks: Looks) -> Any:
    """Return a Trainer callback that looks when it is due, and ends the training with a checkpoint."""
    from transformers import TrainerCallback

    class LooksCallback(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_end(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
            if looks.is_due(state.global_step, state.max_steps):
                looks.look(model, state.global_step)
                control.should_training_stop |= looks.over
                control.should_save |= looks.over

    return LooksCallback()


def _list_trained(model: Any) -> list[tuple[str, Any]]:
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
