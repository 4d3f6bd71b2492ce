"""Resuming: TRL's trainer, extended to resume from a checkpoint with bit-identical results.

transformers restores weights, optimizer, schedule and random state. It does not restore the order of later epochs,
which it draws from the current random state, nor the loss accumulated since it was last logged.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nightloom.core.errors import FaultError
from nightloom.training.base import TrainingControl
from nightloom.training.early_stopping import EvalHistory

logger = logging.getLogger(__name__)

STATE_FILE = "trainer_state.json"


def make_resumable(trainer: type[Any], history: EvalHistory) -> type[Any]:
    """Return a trainer class that orders each epoch by seed and number only, and saves only what a resume needs."""
    from transformers import Trainer
    from transformers.trainer_pt_utils import LengthGroupedSampler

    class Resumable(trainer):  # type: ignore[misc]  # TRL ships no types
        """Writes checkpoints completely or not at all; a failed checkpoint does not end training."""

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            sampler = super()._get_train_sampler(train_dataset)
            if not isinstance(sampler, LengthGroupedSampler):
                return sampler  # accelerate seeds the random sampler by epoch.
            return _SeededOrder(sampler, self.args.data_seed, lambda: int(self.state.epoch or 0))

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            folder = checkpoint_folder(self.args, self.state)
            try:
                with written_to_disk("a checkpoint"):
                    Trainer._save_checkpoint(self, model, trial)  # TRL's method writes a model card, too.
                    summed = {"sum": self._tr_loss.item(), "since": self._globalstep_last_logged}
                    (folder / _loss_file(self.args)).write_text(json.dumps(summed), encoding="utf-8")
                    if self.args.should_save:
                        history.save_to(folder)
            except FaultError as error:
                logger.warning("%s", error)
                shutil.rmtree(folder, ignore_errors=True)

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            # Neither tokenizer nor arguments: the blueprint names both, and the arguments would be a pickle.
            self.model.save_pretrained(output_dir, state_dict=state_dict, is_main_process=self.args.should_save)

    return Resumable


def checkpoint_folder(args: Any, state: Any) -> Path:
    """Return the folder that transformers saves the current step to."""
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"


def train_along(trainer: Any, control: TrainingControl, history: EvalHistory) -> None:
    """Train from the control's checkpoint until it halts, or until early stopping ends training."""
    trainer.add_callback(_make_control_callback(trainer, control))
    if control.checkpoint is None:
        trainer.train()
        return
    state = json.loads((control.checkpoint / STATE_FILE).read_text(encoding="utf-8"))
    step, last = state["global_step"], control.last_step(state["max_steps"])
    if step <= last:
        history.load_from(control.checkpoint)
    if step < last and not history.should_stop:
        trainer.train(resume_from_checkpoint=str(control.checkpoint))
    elif step <= last:
        _load(trainer, control.checkpoint)
    else:
        logger.info("the checkpoint is at step %d, past step %d; training starts from the beginning", step, last)
        trainer.train()


def _loss_file(args: Any) -> str:
    """Return the name of the file with a process's accumulated loss."""
    return f"summed_loss_{args.process_index}.json"


@contextmanager
def written_to_disk(what: str) -> Iterator[None]:
    """Translate errors of a block that writes files into a FaultError.

    Raises:
        FaultError: A file could not be written.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # torch raises a RuntimeError for a full disk.
        msg = f"{what} could not be written to disk ({error}); check the free space under the var folder"
        raise FaultError(msg) from error


class _SeededOrder:
    """A sampler whose order follows from a seed and the epoch's number."""

    def __init__(self, sampler: Any, seed: int, epoch: Callable[[], int]) -> None:
        self._sampler, self._seed, self._epoch = sampler, seed, epoch

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[int]:
        from torch import Generator

        self._sampler.generator = Generator().manual_seed(self._seed + self._epoch())
        yield from self._sampler


def _make_control_callback(trainer: Any, training_control: TrainingControl) -> Any:
    from transformers import TrainerCallback

    class ControlCallback(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        """Halts where the training control says, and reports saved checkpoints."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            path = training_control.checkpoint and training_control.checkpoint / _loss_file(args)
            if path and state.global_step and path.exists():
                summed = json.loads(path.read_text(encoding="utf-8"))
                trainer._tr_loss += summed["sum"]
                trainer._globalstep_last_logged = summed["since"]

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == state.max_steps and training_control.halt is None:
                return
            is_last = state.global_step == training_control.last_step(state.max_steps)
            control.should_training_stop |= is_last
            control.should_save |= is_last or training_control.is_save_due()

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            training_control.on_save(checkpoint_folder(args, state), state.global_step, training_control.halvings)

    return ControlCallback()


def _load(trainer: Any, checkpoint: Path) -> None:
    """Load a checkpoint without training a step."""
    from transformers import TrainerState

    trainer._load_from_checkpoint(str(checkpoint))
    trainer.accelerator.prepare_model(trainer.model, evaluation_mode=True)  # Evaluate in the precision of the training.
    trainer.state = TrainerState.load_from_json(str(checkpoint / STATE_FILE))
