"""Memory: a batch that does not fit is halved and accumulated twice as often, so the optimizer step stays the same."""

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

_MEMORY_ERROR = re.compile(
    r"out of memory|can't allocate memory|not enough memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE
)


@contextmanager
def translate_memory_errors(
    device: Any, when: Callable[[], str], kind: type[OutOfMemoryError] = OutOfBatchMemoryError
) -> Iterator[None]:
    """Translate torch's errors for exhausted memory into Nightloom's.

    Args:
        device: The device.
        when: Returns what was being done, such as `at step 3`; called on failure.
        kind: OutOfMemoryError itself if a smaller batch would not help.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch's own OutOfMemoryError is a RuntimeError
        if isinstance(error, RuntimeError) and not _MEMORY_ERROR.search(str(error)):
            raise
        msg = f"{device} ran out of memory {when()}"
        raise kind(msg) from error


def halve_batch(batch: int, accumulation: int, halvings: int) -> tuple[int, int]:
    """Return the batch after `halvings` halvings, rounded down, and its accumulation for the same step.

    With an odd batch the step may be smaller, never larger.
    """
    halved = max(1, batch >> halvings)
    return halved, batch * accumulation // halved


def train_halving(train: Callable[[int], T], batch: int, accumulation: int = 1, *, halvings: int = 0) -> T:
    """Train, and start again with half the batch while it does not fit the memory.

    One of several processes that train together cannot restart the others: they wait for its part of a step. The
    parent process has to restart all of them.

    Args:
        train: Trains with the batch halved this number of times; it keeps nothing of a failed attempt.
        batch: Examples at once on one device, before halving.
        accumulation: Batches per step, before halving.
        halvings: Number of halvings by the attempt that this one continues.

    Returns:
        The result of the training, with a halved batch among its adjustments, or the loss where it halted.

    Raises:
        OutOfBatchMemoryError: A batch did not fit one of several processes, and half of it may.
        OutOfMemoryError: The smallest batch, one row per process, does not fit.
    """
    reason = f"a batch of {batch} did not fit into memory in an earlier attempt"
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
            msg = f"{reason}; all {processes} processes must start again with half of it (halvings: {halvings + 1})"
            raise OutOfBatchMemoryError(msg)
        halvings += 1
        logger.warning("%s; training starts again with half of it", reason)
        _free_memory()  # The error and its frames, which held the model, are gone here.
    if halvings and isinstance(training, Training):
        training = replace(
            training, adjustments=(_describe(reason, batch, accumulation, halvings), *training.adjustments)
        )
    return training


def _describe(reason: str, batch: int, accumulation: int, halvings: int) -> str:
    size, times = halve_batch(batch, accumulation, halvings)
    change = f"{reason}; trained with a batch of {size}, accumulated {times} times"
    step, planned = size * times, batch * accumulation
    return change if step == planned else f"{change}: {step} examples per step instead of {planned}"


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
