"""The held-out loss: what a model loses on the answers of the selection split, from which it does not learn."""

import math
from collections.abc import Iterator
from typing import Any

import polars as pl

from nightloom.artifacts.training import HeldOutLoss
from nightloom.core.digests import digest_bytes
from nightloom.core.errors import InputError, OutOfBatchMemoryError, OutOfMemoryError
from nightloom.training.answer_loss import NO_LABEL, answer_losses
from nightloom.training.memory import telling_memory
from nightloom.training.progress import diverged

MOST_EXAMPLES = 500
"""So many are looked at, at most: those whose row ids have the lowest digests. A look must stay cheap."""

_BATCH_TOKENS = 4_096
_QUANTILE = 1.959964  # of the normal distribution, for 95 %


def pick_held_out(rows: pl.DataFrame, context: int) -> pl.DataFrame:
    """Return the examples to measure by: those that fit the context and have an answer, at most MOST_EXAMPLES.

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
    """Return the mean over examples of the mean loss of an answer's tokens, in the precision that the model trains in.

    Nothing is learned from them and no chance is used: training goes on as if nobody had looked.

    Args:
        model: A causal language model; what is not being trained of it stays as it is.
        rows: TOKENS frame of the selection split; of more than MOST_EXAMPLES some are picked, always the same.
        step: After which step of the training.

    Raises:
        InputError: There are fewer than two examples.
        DivergenceError: The loss is no number.
        OutOfMemoryError: Not even one example fits the memory.
    """
    import numpy as np

    examples = pick_held_out(rows, model.config.get_text_config().max_position_embeddings)
    if len(examples) < 2:
        msg = f"{len(examples)} examples of the selection split can be measured by; raise prepare.split.selection"
        raise InputError(msg)
    losses = np.array(_measure_examples(model, examples))
    mean, half = losses.mean(), _QUANTILE * losses.std(ddof=1) / math.sqrt(len(losses))
    if not np.isfinite(mean):
        raise diverged(step, f"loss {mean} on the selection split")
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
                    with telling_memory(model.device, lambda: "for one example of the selection split"):
                        return _measure_batches(model, examples, limit)
                except OutOfBatchMemoryError as error:
                    if limit < longest:  # each was alone, and a smaller batch to train on helps none of them
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
        for place, loss in zip(batch, (found / counts).tolist(), strict=True):
            losses[place] = loss
    return losses


def _batches(lengths: list[int], limit: int) -> Iterator[list[int]]:
    """Return the places of examples of like lengths, the longest first, in batches of so many tokens with padding."""
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
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
