"""Tokens: find conversations with too many tokens, or with tokens that decode to another text."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from nightloom.artifacts.frames import HISTORY
from nightloom.artifacts.histories import make_histories
from nightloom.core.scratch import scratch_folder
from nightloom.processes.parent import in_child
from nightloom.rendering.token_budget import ASKED, MEASURED, TokenBound, measure_folder


@dataclass(frozen=True, slots=True)
class Unfit:
    """Indices of conversations that do not fit."""

    too_long: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()  # their tokens decode to another text


def find_unfit(columns: Any, budget: Mapping[str, Any] | None, bound: Mapping[str, Any] | None) -> Unfit:
    """Find the conversations that do not fit; incomplete conversations are skipped.

    Args:
        columns: Text, history and answer, a pandas frame.
        budget: A TokenBudget in JSON, or None if the base model has no tokenizer; then everything fits.
        bound: A TokenBound in JSON, or None if it is unknown.

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    if budget is None:
        return Unfit()
    texts, histories, answers = (columns.iloc[:, column] for column in range(3))
    rows = pl.DataFrame(
        {
            "text": pl.Series(texts).cast(pl.String),
            "history": _as_histories(histories),
            "answer": pl.Series(answers).cast(pl.String),
        }
    ).with_row_index("place")
    chats = rows.drop_nulls(["text", "answer"])
    if bound is not None:
        chats = chats.filter(TokenBound.model_validate(bound).may_fail())
    if chats.is_empty():
        return Unfit()
    buffer = io.BytesIO()
    chats.write_parquet(buffer)
    return _measure(buffer.getvalue(), json.dumps(budget))


@lru_cache(maxsize=1)  # two expectations measure the same rows, one after the other
def _measure(chats: bytes, budget: str) -> Unfit:
    """Measure in the interpreter that trains, because it has the tokenizers."""
    with scratch_folder() as folder:
        (folder / ASKED).write_bytes(chats)
        bound = in_child(measure_folder)(folder=str(folder), budget=json.loads(budget))
        measured = pl.read_parquet(folder / MEASURED)
    return Unfit(
        too_long=tuple(measured.filter(pl.col("tokens") > bound["most"])["place"]),
        changed=tuple(measured.filter(~pl.col("round_trip"))["place"]),
    )


def _as_histories(column: Any) -> pl.Series:
    if column.isna().all():
        return pl.repeat(None, len(column), dtype=HISTORY, eager=True)
    return make_histories([None if one is None else list(one) for one in column])
