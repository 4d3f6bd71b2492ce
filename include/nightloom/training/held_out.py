"""Held-out loss: the loss on the answers of the selection split, which is not trained on."""

import math
from collections.abc import Iterator
from typing import Any

import polars as pl

from nightloom.artifacts.training import HeldOutLoss
from nightloom.core.digests import digest_bytes
from nightloom.core.errors import InputError, OutOfBatchMemoryError, OutOfMemoryError
from nightloom.rendering.tokens import find_context
from nightloom.training.answer_loss import NO_LABEL, answer_losses
from nightloom.training.memory import translate_memory_errors
from nightloom.training.progress import divergence_error

MOST_EXAMPLES = 500
"""Maximum number of examples of an evaluation: those whose row ids have the lowest digests. It must stay cheap."""

_BATCH_TOKENS = 4_096
_QUANTILE = 1.959964  # of the normal distribution, for 95 %


def pick_held_out(rows: pl.DataFrame, context: int) -> pl.DataFrame:
    """Return the examples to evaluate: those that fit the context and have an answer, at most MOST_EXAMPLES.

    Args:
        rows: TOKENS frame of the selection split.
        context: Tokens that the model can hold.
    """
    usable = rows.filter(pl.col("input_ids").list.len() <= context, pl.col("learned").list.any())
    if len(usable) <= MOST_EXAMPLES:
        return usable
    digests = pl.Series([digest_bytes(row_id.encode()) for row_id in usable["row_id"]])
    return usable[digests.arg_sort()[:MOST_EXAMPLES]].sort("row_id")


def measure_held_out(model: Any, rows: pl.DataFrame, step: int) -> HeldOutLoss:
    """Return the mean over examples of the mean loss of an answer's tokens, in the precision of the training.

    An evaluation uses no randomness and trains nothing, so training continues as if it had not happened.

    Args:
        model: A causal language model.
        rows: TOKENS frame of the selection split; if longer than MOST_EXAMPLES, always the same subset is used.
        step: The training step before the evaluation.

    Raises:
        InputError: There are fewer than two examples.
        DivergenceError: The loss is not finite.
        OutOfMemoryError: Not even one example fits the memory.
    """
    import numpy as np

    examples = pick_held_out(rows, find_context(model.config))
    if len(examples) < 2:
        msg = f"the held-out loss needs 2 examples, and {len(examples)} are usable; raise prepare.split.selection"
        raise InputError(msg)
    losses = np.array(_measure_examples(model, examples))
    mean, half = losses.mean(), _QUANTILE * losses.std(ddof=1) / math.sqrt(len(losses))
    if not np.isfinite(mean):
        raise divergence_error(step, f"loss {mean} on the selection split")
    low, high = max(0.0, mean - half), mean + half
    return HeldOutLoss(step=step, loss=_rounded(mean), low=_rounded(low), high=_rounded(high), n=len(losses))


def _measure_examples(model: Any, examples: pl.DataFrame) -> list[float]:
    """Return the loss of each example; batches that do not fit the memory are halved."""
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            limit, longest = _BATCH_TOKENS, int(examples["input_ids"].list.len().max())  # type: ignore[arg-type]  # a number
            while True:
                try:
                    with translate_memory_errors(model.device, lambda: "for one example of the selection split"):
                        return _measure_batches(model, examples, limit)
                except OutOfBatchMemoryError as error:
                    if limit < longest:  # One example did not fit; a smaller training batch would not help.
                        raise OutOfMemoryError(str(error)) from error
                limit //= 2
    finally:
        model.train(was_training)


def _measure_batches(model: Any, examples: pl.DataFrame, limit: int) -> list[float]:
    losses = [0.0] * len(examples)
    for batch in _batches(examples["input_ids"].list.len().to_list(), limit):
        inputs = _collate(examples[batch], model.device)
        found = answer_losses(model, inputs).double().sum(1)
        counts = (inputs["labels"][:, 1:] != NO_LABEL).sum(1).clamp(min=1)
        for index, loss in zip(batch, (found / counts).tolist(), strict=True):
            losses[index] = loss
    return losses


def _batches(lengths: list[int], limit: int) -> Iterator[list[int]]:
    """Yield batches of examples of similar length, as indexes, longest first, of at most `limit` padded tokens."""
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    start = 0
    while start < len(order):
        count = max(1, limit // lengths[order[start]])
        yield order[start : start + count]
        start += count


def _collate(examples: pl.DataFrame, device: Any) -> dict[str, Any]:
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = [torch.tensor(row) for row in examples["input_ids"].to_list()]
    learned = [torch.tensor(row) for row in examples["learned"].to_list()]
    labels = [row.masked_fill(~mask, NO_LABEL) for row, mask in zip(ids, learned, strict=True)]
    return {
        "input_ids": pad_sequence(ids, batch_first=True).to(device),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True).to(device),
        "labels": pad_sequence(labels, batch_first=True, padding_value=NO_LABEL).to(device),
    }


def _rounded(value: float) -> float:
    return round(float(value), 6)
