"""Memory: a batch that does not fit is halved and accumulated twice as often, which is the same step."""

import gc
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from nightloom.artifacts.training import HeldOutLoss
from nightloom.core.errors import OutOfBatchMemoryError, OutOfMemoryError
from nightloom.training.base import Training
from nightloom.training.distributed import count_processes

T = TypeVar("T", bound=Training | HeldOutLoss)

logger = logging.getLogger(__name__)

_SAYS_SO = re.compile(
    r"out of memory|can't allocate memory|not enough memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE
)


@contextmanager
def telling_memory(
    device: Any, when: Callable[[], str], kind: type[OutOfMemoryError] = OutOfBatchMemoryError
) -> Iterator[None]:
    """Turn every way in which torch says that the memory is used up into an error of ours.

    Args:
        device: What ran out of it.
        when: Gives what was being done, such as `at step 3`; asked when it failed.
        kind: OutOfMemoryError itself where no smaller batch would help.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch's own OutOfMemoryError is a RuntimeError
        if isinstance(error, RuntimeError) and not _SAYS_SO.search(str(error)):
            raise
        msg = f"the memory of {device} did not suffice {when()}"
        raise kind(msg) from error


def halve_batch(batch: int, accumulation: int, halvings: int) -> tuple[int, int]:
    """Return the batch after so many halvings, rounded down, and how often it is accumulated for the same step.

    Of an odd batch the step may come out smaller, never larger.
    """
    halved = max(1, batch >> halvings)
    return halved, batch * accumulation // halved


def train_halving(train: Callable[[int], T], batch: int, accumulation: int = 1, *, halvings: int = 0) -> T:
    """Train, and begin again with half the batch as long as it does not fit the memory.

    One of several processes that train together cannot tell the others to begin again: they wait for its part of a
    step. Whoever started them has to start all of them again.

    Args:
        train: Trains with the batch halved so many times; it keeps nothing of an attempt that failed.
        batch: Examples at once on one device, unhalved.
        accumulation: Batches of a step, unhalved.
        halvings: How often the batch was halved already, by an attempt that this one continues.

    Returns:
        What training came to, or where it halted; a halved batch is told in the adjustments of the former.

    Raises:
        OutOfBatchMemoryError: A batch did not fit one of several processes, and half of it may.
        OutOfMemoryError: The smallest batch does not fit: a row for each process.
    """
    reason = f"a batch of {batch} did not fit the memory in an earlier attempt"
    while True:
        try:
            training = train(halvings)
        except OutOfBatchMemoryError as error:
            size, _ = halve_batch(batch, accumulation, halvings)
            reason = f"{error} with a batch of {size}"
        else:
            break
        processes = count_processes()
        half, _ = halve_batch(batch, accumulation, halvings + 1)
        if half == size or half % processes:
            smaller = "" if size == processes else "another per_device_train_batch_size, "
            msg = (
                f"{reason}; set {smaller}train.settings.gradient_checkpointing, a lower max_length, train.method lora "
                f"or train.model.quantization"
            )
            raise OutOfMemoryError(msg)
        if processes > 1:
            msg = f"{reason}; all {processes} processes have to begin again with half of it (halvings: {halvings + 1})"
            raise OutOfBatchMemoryError(msg)
        halvings += 1
        logger.warning("%s; training begins again with half of it", reason)
        _free_memory()  # here the error is gone, and with it the frames that held the model
    if halvings and isinstance(training, Training):
        training = replace(
            training, adjustments=(_describe(reason, batch, accumulation, halvings), *training.adjustments)
        )
    return training


def _describe(reason: str, batch: int, accumulation: int, halvings: int) -> str:
    size, times = halve_batch(batch, accumulation, halvings)
    told = f"{reason}: {size} with accumulation {times} since"
    step = size * times
    return told if step == batch * accumulation else f"{told}, {step} examples a step instead of {batch * accumulation}"


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
