"""The held-out loss: what a model makes of the selection split, from which it does not learn."""

import math
from typing import Any

import polars as pl

from nightloom.artifacts.training import HeldOutLoss


def measure_held_out(model: Any, rows: pl.DataFrame, step: int) -> HeldOutLoss:
    """Give the mean over examples of each answer's mean loss a token, with its 95 % interval.

    Args:
        model: Stays in the mode it is in; no source of chance is touched.
        rows: A TOKENS frame with at least one example.
        step: The step that the model stands at.
    """
    import torch

    was_training = model.training
    model.eval()
    with torch.no_grad():
        losses = [
            _measure_answer(model, row["input_ids"], row["learned"])
            for row in rows.select("input_ids", "learned").iter_rows(named=True)
        ]
    model.train(was_training)
    values = torch.tensor(losses, dtype=torch.float64)
    mean = float(values.mean())
    half = 1.96 * float(values.std()) / math.sqrt(len(losses)) if len(losses) > 1 else 0.0
    return HeldOutLoss(step=step, loss=mean, low=mean - half, high=mean + half, n=len(losses))


def _measure_answer(model: Any, ids: list[int], learned: list[bool]) -> float:
    import torch
    from torch.nn.functional import cross_entropy

    logits = model(torch.tensor([ids], device=model.device), use_cache=False).logits[0, :-1].float()
    targets = torch.tensor(ids[1:], device=logits.device)
    asked = torch.tensor(learned[1:], device=logits.device)
    return float(cross_entropy(logits[asked], targets[asked]))
