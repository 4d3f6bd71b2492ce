"""Processes: several that train one trial together, one a GPU, told of each other as `torchrun` does it.

All of them take the same way through the same code. What only one may do is done by the first, whose result all
get. Each batch is read by all and its rows are dealt out, so that the steps and losses are those of one process.
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
from nightloom.training.base import Course

T = TypeVar("T")

_PATIENCE = timedelta(hours=6)
"""How long the others wait for the first one, which may have to encode a snapshot or to fetch a large model."""


def count_processes() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that does what only one may do."""
    return os.environ.get("RANK", "0") == "0"


def lead(call: Callable[[], T]) -> T:
    """Let the first process alone do something, and give its result to all."""
    if count_processes() == 1:
        return call()
    from torch import distributed

    is_first = _join() == 0
    held = [call() if is_first else None]
    distributed.broadcast_object_list(held, src=0)
    return held[0]  # type: ignore[return-value]  # the first one's


def go_first(call: Callable[[], T]) -> T:
    """Let the first process do something before the others, which then find what it left."""
    if count_processes() == 1:
        return call()
    from torch import distributed

    is_first = _join() == 0
    if is_first:
        result = call()
    distributed.broadcast_object_list([None], src=0)
    return result if is_first else call()


def share_course(course: Course) -> Course:
    """Tell the other processes the course of the first, and let all save at the same steps."""
    if count_processes() == 1:
        return course
    known = (str(course.checkpoint) if course.checkpoint else None, course.halvings, course.halt)
    lead(lambda: known)

    def keep(folder: Path, step: int, halvings: int) -> None:
        _wait()  # each writes a part of its own
        course.keep(folder, step, halvings)

    return replace(course, is_due=lambda: lead(course.is_due), keep=keep)


def share_no_course() -> None:
    """Tell the other processes that nothing is to be done."""
    lead(lambda: None)


def follow_course() -> Course | None:
    """Return the course that the first process tells of; nothing when there is nothing to do."""
    known: Any = lead(lambda: None)
    if known is None:
        return None
    checkpoint, halvings, halt = known
    return Course(
        checkpoint=Path(checkpoint) if checkpoint else None,
        halvings=halvings,
        halt=halt,
        is_due=lambda: lead(lambda: False),
        keep=lambda folder, step, halvings: _wait(),
    )


def share_rows(trainer: Any) -> None:
    """Deal the rows of each batch that a trainer learns from out to the processes.

    The batch is the recipe's, whatever their number: it is read whole, in one order, by all of them.

    Raises:
        InputError: A batch cannot be divided by the number of processes, or the order deals rows out by itself.
    """
    processes = count_processes()
    if processes == 1:
        return
    if trainer.args.train_sampling_strategy == "batch_rebalance":
        msg = (
            "train.settings.train_sampling_strategy batch_rebalance deals rows out to processes by itself, and with "
            "NIGHTLOOM_PROCESSES above 1 they would be dealt out twice; write group_by_length"
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
        # An order that chance decides is decided by the first one's chance.
        trainer.accelerator.rng_types = ["torch"]
        trainer.data_collator = lambda batch: collate(pick_rows(batch, trainer.args.process_index, processes))
        loader = read_whole()
        trainer.data_collator = collate
        # It would deal whole batches out, and fill up the last one with rows that were seen.
        dealer = loader.batch_sampler
        dealer.num_processes, dealer.process_index, dealer.even_batches = 1, 0, False
        return loader

    trainer.get_train_dataloader = read_shared


def pick_rows(batch: Sequence[dict[str, Any]], process: int, processes: int) -> list[dict[str, Any]]:
    """Return a process's rows of a batch; one for which none is left gets a row of which nothing is learned."""
    own = list(batch[process::processes])
    if own:
        return own
    row = dict(batch[0])
    for name, blank in (("labels", NO_LABEL), ("completion_mask", 0)):
        if name in row:
            row[name] = [blank] * len(row[name])
    return [row]


def _wait() -> None:
    """Wait until every process is here."""
    from torch import distributed

    distributed.barrier()


def _join() -> int:
    """Join the other processes, once, and give this one's number among them."""
    from torch import cuda, distributed

    if not distributed.is_initialized():
        if cuda.is_available():
            cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda.is_available() else "gloo", timeout=_PATIENCE)
        atexit.register(distributed.destroy_process_group)
    return distributed.get_rank()
