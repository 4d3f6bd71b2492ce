"""Data-parallel training: several processes train one trial, one per GPU, set up by `torchrun`'s variables.

All processes run the same code. The first does alone what only one may do, and broadcasts the result. Every process
reads each whole batch and takes its share of the rows, so steps and losses equal those of one process.
"""

import atexit
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from nightloom.core.errors import InputError
from nightloom.training.answer_loss import NO_LABEL
from nightloom.training.base import TrainingControl

T = TypeVar("T")

_PATIENCE = timedelta(hours=6)
"""How long the others wait for the first process, which may have to encode a snapshot or fetch a large model."""


def count_processes() -> int:
    """Return the number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the first process, which does what only one may do."""
    return os.environ.get("RANK", "0") == "0"


def lead(call: Callable[[], T]) -> T:
    """Call a function in the first process only, and return its result in all."""
    if count_processes() == 1:
        return call()
    from torch import distributed

    is_first = _join() == 0
    held = [call() if is_first else None]
    distributed.broadcast_object_list(held, src=0)
    return held[0]  # type: ignore[return-value]  # the first process's result


def go_first(call: Callable[[], T]) -> T:
    """Call a function in the first process before the others, which then find its cached result."""
    if count_processes() == 1:
        return call()
    from torch import distributed

    is_first = _join() == 0
    if is_first:
        result = call()
    distributed.broadcast_object_list([None], src=0)
    return result if is_first else call()


def share_control(control: TrainingControl) -> TrainingControl:
    """Share the first process's control with the others, so that all save at the same steps."""
    if count_processes() == 1:
        return control
    known = (str(control.checkpoint) if control.checkpoint else None, control.halvings, control.halt)
    lead(lambda: known)

    def on_save(folder: Path, step: int, halvings: int) -> None:
        _wait()  # Each process writes its own part.
        control.on_save(folder, step, halvings)

    return replace(control, is_save_due=lambda: lead(control.is_save_due), on_save=on_save)


def dismiss_followers() -> None:
    """Let the other processes end: there is nothing to train."""
    lead(lambda: None)


def receive_control() -> TrainingControl | None:
    """Return the control that the first process shares, or None if there is nothing to train."""
    known: Any = lead(lambda: None)
    if known is None:
        return None
    checkpoint, halvings, halt = known
    return TrainingControl(
        checkpoint=Path(checkpoint) if checkpoint else None,
        halvings=halvings,
        halt=halt,
        is_save_due=lambda: lead(lambda: False),
        on_save=lambda folder, step, halvings: _wait(),
    )


def share_rows(trainer: Any) -> None:
    """Share the rows of each training batch among the processes.

    The batch is the recipe's for any number of processes: all of them read the whole batch in the same order.

    Raises:
        InputError: The batch is not divisible by the number of processes, or the sampling strategy shares rows itself.
    """
    processes = count_processes()
    if processes == 1:
        return
    if trainer.args.train_sampling_strategy == "batch_rebalance":
        msg = (
            "train.settings.train_sampling_strategy batch_rebalance shares rows among processes itself, so with "
            "NIGHTLOOM_PROCESSES above 1 they would be shared twice; write group_by_length"
        )
        raise InputError(msg)
    rows = trainer.args.per_device_train_batch_size
    if rows % processes:
        msg = (
            f"train.settings.per_device_train_batch_size {rows} cannot be divided among {processes} processes "
            f"(NIGHTLOOM_PROCESSES); set it to a multiple of {processes}"
        )
        raise InputError(msg)
    read_whole, collate = trainer.get_train_dataloader, trainer.data_collator

    def read_shared() -> Any:
        # A random order follows the first process's random state.
        trainer.accelerator.rng_types = ["torch"]
        trainer.data_collator = lambda batch: collate(pick_rows(batch, trainer.args.process_index, processes))
        loader = read_whole()
        trainer.data_collator = collate
        # By default it gives whole batches to processes, and fills up the last one with rows that were used before.
        sampler = loader.batch_sampler
        sampler.num_processes, sampler.process_index, sampler.even_batches = 1, 0, False
        return loader

    trainer.get_train_dataloader = read_shared


def pick_rows(batch: Sequence[dict[str, Any]], process: int, processes: int) -> list[dict[str, Any]]:
    """Return a process's rows of a batch, or one row without labels if none is left for it."""
    own = list(batch[process::processes])
    if own:
        return own
    row = dict(batch[0])
    for name, blank in (("labels", NO_LABEL), ("completion_mask", 0)):
        if name in row:
            row[name] = [blank] * len(row[name])
    return [row]


def _wait() -> None:
    """Wait for all processes."""
    from torch import distributed

    distributed.barrier()


def _join() -> int:
    """Join the process group, once, and return this process's rank."""
    from torch import cuda, distributed

    if not distributed.is_initialized():
        if cuda.is_available():
            cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda.is_available() else "gloo", timeout=_PATIENCE)
        atexit.register(distributed.destroy_process_group)
    return distributed.get_rank()
