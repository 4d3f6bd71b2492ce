"""Token budget: find examples that are too long for the model, or that its tokenizer does not decode to the same text.

The number of bytes rules out both for nearly all examples. Only the others are rendered and encoded.
"""

import json
import re
from collections.abc import Iterable, Iterator
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
from nightloom.core.errors import InputError
from nightloom.core.manifests import Plain
from nightloom.core.store import ObjectStore
from nightloom.prompts.templates import render_example
from nightloom.registry.store import open_store
from nightloom.rendering.chat import Conversation
from nightloom.rendering.tokens import TokenEncoder, open_encoder

ASKED, MEASURED = "asked.parquet", "measured.parquet"
"""Files in the folder of `measure_folder`: its input and its output."""

_AT_ONCE = 512
_PLAIN_TEXT = re.compile(r"\{\{ *text *\}\}")


class TokenBound(Plain):
    """An upper bound of an example's tokens from its bytes, without the tokenizer."""

    most: int = Field(description="Maximum number of tokens of a whole example.")
    around: int | None = Field(description="Bytes around text and answer, or None if bytes give no bound.")
    turn: int = Field(default=0, description="Bytes around each earlier message.")
    repeats: int = Field(default=1, description="How often the prompt contains the text.")
    composed: bool = Field(
        default=False, description="Whether only composed texts (NFC) are known to decode unchanged."
    )

    def may_fail(self) -> pl.Expr:
        """Return an expression over text, history and answer: whether their bytes are not enough to accept them."""
        if self.around is None:
            return pl.lit(True)
        turns = pl.col("history").list.len().fill_null(0)
        history = (
            pl.col("history").list.eval(pl.element().struct.field("content").str.len_bytes()).list.sum().fill_null(0)
        )
        # A broken-up control token gains a space, at most one for every two bytes.
        texts = pl.col("text").str.len_bytes() * self.repeats + history + pl.col("answer").str.len_bytes()
        too_long = texts * 3 // 2 + self.around + turns * self.turn > self.most
        return too_long | _is_decomposed("text", "answer") if self.composed else too_long


def find_bound(store: ObjectStore, budget: TokenBudget) -> TokenBound:
    """Return the bound for a model's tokenizer and a prompt.

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    encoder, prompt = _open_encoder(store, budget), store.load(Prompt, budget.prompt).content
    most = min(budget.most or encoder.context, encoder.context)
    written = "\n".join(message.content for message in prompt.messages)
    repeats = len(_PLAIN_TEXT.findall(written))
    # A statement or a filter may change the text in any way.
    is_plain = "{%" not in written and len(re.findall(r"\{\{", written)) == repeats
    if encoder.lossless == "unknown" or not is_plain:
        return TokenBound(most=most, around=None)
    frame: list[dict[str, str]] = [{"role": message.role, "content": ""} for message in prompt.messages]
    around = encoder.count_frame([*frame, {"role": "assistant", "content": ""}]) + len(written.encode())
    turn = encoder.count_frame([*frame, *([{"role": "user", "content": ""}, {"role": "assistant", "content": ""}] * 2)])
    composed = encoder.lossless == "composed"
    return TokenBound(most=most, around=around, turn=turn, repeats=repeats, composed=composed)


def measure_tokens(store: ObjectStore, rows: pl.DataFrame, budget: TokenBudget) -> pl.DataFrame:
    """Encode whole examples, and return the tokens of each and whether they decode to the same text.

    Args:
        store: Where the base model and the prompt are stored.
        rows: The text, history and answer of each example.
        budget: The model and the prompt.

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    encoder, prompt = _open_encoder(store, budget), store.load(Prompt, budget.prompt).content
    counts = [count for part in _render(rows, prompt, budget) for count in encoder.count(part)]
    measured = [(count.tokens, count.round_trip) for count in counts]
    return pl.DataFrame(measured, {"tokens": pl.Int64, "round_trip": pl.Boolean}, orient="row")


def list_refused_roles(store: ObjectStore, orders: Iterable[str], budget: TokenBudget) -> list[str]:
    """Return the orders of roles before the last message that the chat template refuses, such as `user,user`.

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    encoder, prompt = _open_encoder(store, budget), store.load(Prompt, budget.prompt).content
    answer, refused = json.dumps(dict.fromkeys(budget.field_order, "b")), []
    for order in orders:
        history = [{"role": role, "content": "a"} for role in order.split(",")]
        example = render_example(prompt, "a", history, answer, budget.field_order, budget.output)
        try:
            encoder.count([example])
        except InputError:
            refused.append(order)
    return refused


def measure_folder(folder: str, budget: dict[str, Any]) -> dict[str, Any]:
    """Measure the rows of ASKED that may fail, write MEASURED, and return the bound: for a child process."""
    store, limit = open_store(), TokenBudget.model_validate(budget)
    bound = find_bound(store, limit)
    asked = pl.read_parquet(Path(folder) / ASKED).filter(bound.may_fail())
    measure_tokens(store, asked, limit).with_columns(asked["place"]).write_parquet(Path(folder) / MEASURED)
    return bound.model_dump(mode="json")


def _open_encoder(store: ObjectStore, budget: TokenBudget) -> TokenEncoder:
    return _open_once(store, budget.base, json.dumps(budget.chat_template_kwargs, sort_keys=True))


@cache
def _open_once(store: ObjectStore, base_id: BaseId, template_kwargs: str) -> TokenEncoder:
    return open_encoder(fetch_model(store, BaseModelManifest, base_id)[1], json.loads(template_kwargs))


def _is_decomposed(*columns: str) -> pl.Expr:
    texts = [pl.col(name).str.normalize("NFC") != pl.col(name) for name in columns]
    return pl.any_horizontal(*texts, pl.col("history").list.len().fill_null(0) > 0)


def _render(rows: pl.DataFrame, prompt: PromptContent, budget: TokenBudget) -> Iterator[list[Conversation]]:
    for part in rows.select("text", "history", "answer").iter_slices(_AT_ONCE):
        yield [
            render_example(prompt, text, history, answer, budget.field_order, budget.output)
            for text, history, answer in part.iter_rows()
        ]
