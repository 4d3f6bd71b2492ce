"""Tokens: which conversations of a frame are too long for the model, or do not come back from its tokenizer."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from nightloom.artifacts.frames import HISTORY
from nightloom.artifacts.histories import NO_CHAT, make_histories
from nightloom.core.scratch import scratch_folder
from nightloom.processes.parent import in_child
from nightloom.rendering.token_budget import ASKED, MEASURED, TokenBound, measure_folder


@dataclass(frozen=True, slots=True)
class Unfit:
    """Places of conversations."""

    too_long: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()  # decoded, their tokens give another text


def find_unfit(columns: Any, budget: Mapping[str, Any] | None, bound: Mapping[str, Any] | None) -> Unfit:
    """Find the conversations that do not fit; one without text or answer, or that is no chat, is not asked.

    Args:
        columns: Text, history and answer, a pandas frame.
        budget: A TokenBudget in JSON; none: the base model has no tokenizer, and everything fits.
        bound: What bytes tell by it, a TokenBound in JSON; none: it is not known yet.

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    if budget is None:
        return Unfit()
    texts, histories, answers = (columns.iloc[:, place] for place in range(3))
    rows = pl.DataFrame(
        {
            "text": pl.Series(texts).cast(pl.String),
            "history": _as_histories(histories),
            "answer": pl.Series(answers).cast(pl.String),
        }
    ).with_row_index("place")
    is_no_chat = pl.col("history").list.eval(pl.element().struct.field("role") == NO_CHAT).list.any()
    asked = rows.drop_nulls(["text", "answer"]).filter(~is_no_chat.fill_null(value=False))
    if bound is not None:
        asked = asked.filter(TokenBound.model_validate(bound).may_fail())
    if asked.is_empty():
        return Unfit()
    buffer = io.BytesIO()
    asked.write_parquet(buffer)
    return _measure(buffer.getvalue(), json.dumps(budget))


@lru_cache(maxsize=1)  # two expectations ask of the same rows, one after the other
def _measure(asked: bytes, budget: str) -> Unfit:
    """Measure by the interpreter that trains, which has the tokenizers."""
    with scratch_folder() as folder:
        (folder / ASKED).write_bytes(asked)
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
