"""Budget: examples that are too long for the model, or that its tokenizer does not give back as they are.

Nearly all are known to be neither by the number of their bytes. Only the others are rendered and encoded.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from nightloom.artifacts.data import TokenBudget
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.ids import BaseId
from nightloom.artifacts.models import BaseModelManifest
from nightloom.artifacts.prompts import Prompt, PromptContent
from nightloom.core.manifests import Plain
from nightloom.core.store import ObjectStore
from nightloom.prompts.templates import render_example
from nightloom.registry.store import open_store
from nightloom.rendering.chat import Conversation
from nightloom.rendering.tokens import TokenEncoder, open_encoder

ASKED, MEASURED = "asked.parquet", "measured.parquet"
"""In the folder of `measure_folder`: what it is given, and what it gives."""

_AT_ONCE = 512
_PLAIN_TEXT = re.compile(r"\{\{ *text *\}\}")


class TokenBound(Plain):
    """What the number of an example's bytes tells of its tokens, without the tokenizer."""

    most: int = Field(description="Tokens that a whole example may have.")
    around: int | None = Field(description="Bytes around text and answer; none: bytes tell nothing.")
    turn: int = Field(default=0, description="Bytes around each earlier turn.")
    repeats: int = Field(default=1, description="How often the prompt shows the text.")
    composed: bool = Field(default=False, description="Only composed texts (NFC) are known to come back.")

    def may_fail(self) -> pl.Expr:
        """Tell of text, history and answer whether they have to be encoded: their bytes do not clear them."""
        if self.around is None:
            return pl.lit(True)
        turns = pl.col("history").list.len().fill_null(0)
        said = pl.col("history").list.eval(pl.element().struct.field("content").str.len_bytes()).list.sum().fill_null(0)
        # A control token that is broken up gains a blank, at most one for every two bytes.
        texts = pl.col("text").str.len_bytes() * self.repeats + said + pl.col("answer").str.len_bytes()
        too_long = texts * 3 // 2 + self.around + turns * self.turn > self.most
        return too_long | _is_decomposed("text", "answer") if self.composed else too_long


def find_bound(store: ObjectStore, budget: TokenBudget) -> TokenBound:
    """Return what bytes tell by a model's tokenizer and a prompt.

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    encoder, prompt = _open_encoder(store, budget.base), store.load(Prompt, budget.prompt).content
    most = min(budget.most or encoder.context, encoder.context)
    written = "\n".join(message.content for message in prompt.messages)
    repeats = len(_PLAIN_TEXT.findall(written))
    # A statement or a filter may make any text of it.
    is_plain = "{%" not in written and len(re.findall(r"\{\{", written)) == repeats
    if encoder.lossless == "unknown" or not is_plain:
        return TokenBound(most=most, around=None)
    frame: list[dict[str, str]] = [{"role": message.role, "content": ""} for message in prompt.messages]
    around = encoder.count_frame([*frame, {"role": "assistant", "content": ""}]) + len(written.encode())
    turn = encoder.count_frame([*frame, *([{"role": "user", "content": ""}, {"role": "assistant", "content": ""}] * 2)])
    composed = encoder.lossless == "composed"
    return TokenBound(most=most, around=around, turn=turn, repeats=repeats, composed=composed)


def measure_tokens(store: ObjectStore, rows: pl.DataFrame, budget: TokenBudget) -> pl.DataFrame:
    """Encode examples whole, and give the tokens of each and whether they decode to the very text.

    Args:
        store: Where the base model and the prompt lie.
        rows: text, history and answer of each.
        budget: The model and the prompt.

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    encoder, prompt = _open_encoder(store, budget.base), store.load(Prompt, budget.prompt).content
    counts = [count for some in _render(rows, prompt, budget) for count in encoder.count(some)]
    measured = [(count.tokens, count.round_trip) for count in counts]
    return pl.DataFrame(measured, {"tokens": pl.Int64, "round_trip": pl.Boolean}, orient="row")


def measure_folder(folder: str, budget: dict[str, Any]) -> dict[str, Any]:
    """Measure what of ASKED bytes do not clear into MEASURED, and return the bound: for a child process."""
    store, asked_by = open_store(), TokenBudget.model_validate(budget)
    bound = find_bound(store, asked_by)
    asked = pl.read_parquet(Path(folder) / ASKED).filter(bound.may_fail())
    measure_tokens(store, asked, asked_by).with_columns(asked["place"]).write_parquet(Path(folder) / MEASURED)
    return bound.model_dump(mode="json")


@cache
def _open_encoder(store: ObjectStore, base_id: BaseId) -> TokenEncoder:
    return open_encoder(fetch_model(store, BaseModelManifest, base_id)[1])


def _is_decomposed(*columns: str) -> pl.Expr:
    texts = [pl.col(name).str.normalize("NFC") != pl.col(name) for name in columns]
    return pl.any_horizontal(*texts, pl.col("history").list.len().fill_null(0) > 0)


def _render(rows: pl.DataFrame, prompt: PromptContent, budget: TokenBudget) -> Iterator[list[Conversation]]:
    for some in rows.select("text", "history", "answer").iter_slices(_AT_ONCE):
        yield [
            render_example(prompt, text, history, answer, budget.field_order, budget.output)
            for text, history, answer in some.iter_rows()
        ]
