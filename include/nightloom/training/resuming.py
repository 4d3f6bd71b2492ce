"""Resuming: TRL's trainer, made to go on from a checkpoint to the very bits of a training that was never stopped.

transformers restores weights, optimizer, schedule and sources of chance. What it does not: the order of later epochs,
which it draws from the chance of the moment, and the loss that was summed up since it was last logged.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nightloom.core.errors import FaultError
from nightloom.training.base import Course
from nightloom.training.early_stopping import Looks

logger = logging.getLogger(__name__)

STATE_FILE = "trainer_state.json"


def make_resumable(trainer: type[Any], looks: Looks) -> type[Any]:
    """Return the trainer that orders each epoch by seed and number alone, and saves no more than it needs to go on."""
    from transformers import Trainer
    from transformers.trainer_pt_utils import LengthGroupedSampler

    class Resumable(trainer):  # type: ignore[misc]  # TRL ships no types
        """Writes checkpoints whole or not at all; one that cannot be written ends nothing."""

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            sampler = super()._get_train_sampler(train_dataset)
            if not isinstance(sampler, LengthGroupedSampler):
                return sampler  # accelerate seeds the random one by epoch
            return _SeededOrder(sampler, self.args.data_seed, lambda: int(self.state.epoch or 0))

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            folder = checkpoint_folder(self.args, self.state)
            try:
                with written_to_disk("a checkpoint"):
                    Trainer._save_checkpoint(self, model, trial)  # TRL's writes a model card too
                    summed = {"sum": self._tr_loss.item(), "since": self._globalstep_last_logged}
                    (folder / _loss_file(self.args)).write_text(json.dumps(summed), encoding="utf-8")
                    if self.args.should_save:
                        looks.save_to(folder)
            except FaultError as error:
                logger.warning("%s", error)
                shutil.rmtree(folder, ignore_errors=True)

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            # Neither tokenizer nor arguments: the blueprint names them, and the latter would be a pickle.
            self.model.save_pretrained(output_dir, state_dict=state_dict, is_main_process=self.args.should_save)

    return Resumable


def checkpoint_folder(args: Any, state: Any) -> Path:
    """Return the folder that transformers saves the present step to."""
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"


def train_along(trainer: Any, course: Course, looks: Looks) -> None:
    """Train from where a course goes on to where it halts, or the looks at the held-out loss end it."""
    trainer.add_callback(_make_steering(trainer, course))
    if course.checkpoint is None:
        trainer.train()
        return
    state = json.loads((course.checkpoint / STATE_FILE).read_text(encoding="utf-8"))
    step, last = state["global_step"], course.last_step(state["max_steps"])
    if step <= last:
        looks.load_from(course.checkpoint)
    if step < last and not looks.over:
        trainer.train(resume_from_checkpoint=str(course.checkpoint))
    elif step <= last:
        _load(trainer, course.checkpoint)
    else:
        logger.info("the checkpoint is past step %d, at %d; training begins anew", last, step)
        trainer.train()


def _loss_file(args: Any) -> str:
    """Return the name of the file with the loss that a process has summed up."""
    return f"summed_loss_{args.process_index}.json"


@contextmanager
def written_to_disk(what: str) -> Iterator[None]:
    """Run a block that writes files: what goes wrong there is a fault of the disk.

    Raises:
        FaultError: Something could not be written.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # torch tells of a full disk by a RuntimeError
        msg = f"{what} could not be written to disk ({error}); see whether there is room under the var folder"
        raise FaultError(msg) from error


class _SeededOrder:
    """The order of an epoch, drawn from a seed and the epoch's number."""

    def __init__(self, sampler: Any, seed: int, epoch: Callable[[], int]) -> None:
        self._sampler, self._seed, self._epoch = sampler, seed, epoch

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[int]:
        from torch import Generator

        self._sampler.generator = Generator().manual_seed(self._seed + self._epoch())
        yield from self._sampler


def _make_steering(trainer: Any, course: Course) -> Any:
    from transformers import TrainerCallback

    class Steering(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        """Halts where the course says, and hands over what was saved."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            path = course.checkpoint and course.checkpoint / _loss_file(args)
            if path and state.global_step and path.exists():
                summed = json.loads(path.read_text(encoding="utf-8"))
                trainer._tr_loss += summed["sum"]
                trainer._globalstep_last_logged = summed["since"]

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == state.max_steps and course.halt is None:
                return
            is_last = state.global_step == course.last_step(state.max_steps)
            control.should_training_stop |= is_last
            control.should_save |= is_last or course.is_due()

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            course.keep(checkpoint_folder(args, state), state.global_step, course.halvings)

    return Steering()


def _load(trainer: Any, checkpoint: Path) -> None:
    """Stand where the checkpoint does, without a step."""
    from transformers import TrainerState

    trainer._load_from_checkpoint(str(checkpoint))
    trainer.accelerator.prepare_model(trainer.model, evaluation_mode=True)  # what is measured has training's precision
    trainer.state = TrainerState.load_from_json(str(checkpoint / STATE_FILE))
