"""Tokens: rows that are too long for the model, or that its tokenizer does not give back as they are.

Nearly all rows are known to be neither by the number of their bytes. Only the others are rendered and encoded.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache

import polars as pl

from nightloom.artifacts.data import TokenBudget
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.models import BaseModelManifest
from nightloom.core.store import ObjectStore
from nightloom.curation.outcomes import OPEN, quarantine
from nightloom.engines.base import Conversation
from nightloom.engines.tokens import TokenCount, TokenCounter, open_counter
from nightloom.prompts.templates import Prompt, PromptIdentity, render_prompt, render_target

_AT_ONCE = 512
_PLAIN_TEXT = re.compile(r"\{\{ *text *\}\}")


def refuse_tokens(store: ObjectStore, rows: pl.DataFrame, budget: TokenBudget, releases: pl.DataFrame) -> pl.DataFrame:
    """Quarantine open rows with more tokens than the budget, or whose text is not what its tokens decode to.

    Args:
        store: Where the base model and the prompt lie.
        rows: Cleaned rows.
        budget: The model, the prompt, and how many tokens an example may have.
        releases: Rows that people let through (RELEASES).

    Raises:
        InputError: The model's tokenizer has no chat template, or the prompt cannot be rendered.
    """
    counter = _open_counter(store, budget.base)
    prompt = store.load(Prompt, budget.prompt).identity
    most = min(budget.most or counter.context, counter.context)
    asked = rows.with_row_index("place").filter(OPEN & _may_fail(counter, prompt, most))
    found = [
        _judge(place, count, most)
        for places, conversations in _render(asked, prompt, budget)
        for place, count in zip(places, counter.count(conversations), strict=True)
    ]
    schema = {"place": pl.UInt32, "rule": pl.String, "measured": pl.String, "threshold": pl.String}
    findings = pl.DataFrame([one for one in found if one[1] is not None], schema, orient="row")
    named = findings.join(asked.select("place", "row_id", "version"), on="place")
    standing = named.join(releases, on=["row_id", "version", "rule"], how="anti").select(list(schema))
    numbered = rows.with_row_index("place").select("place")
    return quarantine(rows, numbered.join(standing, on="place", how="left", maintain_order="left").drop("place"))


@cache
def _open_counter(store: ObjectStore, base: str) -> TokenCounter:
    return open_counter(fetch_model(store, BaseModelManifest, base)[1])


def _judge(place: int, count: TokenCount, most: int) -> tuple[int, str | None, str | None, str | None]:
    if count.tokens > most:
        return place, "too_many_tokens", str(count.tokens), str(most)
    if not count.round_trip:
        return place, "round_trip", "another text", "the same text"
    return place, None, None, None


def _may_fail(counter: TokenCounter, prompt: PromptIdentity, most: int) -> pl.Expr:
    """Tell which rows have to be encoded: those that the number of their bytes does not clear."""
    if counter.lossless == "unknown" or any("{%" in message.content for message in prompt.messages):
        return pl.lit(True)
    written = "\n".join(message.content for message in prompt.messages)
    repeats = len(_PLAIN_TEXT.findall(written))
    if len(re.findall(r"\{\{", written)) != repeats:
        return pl.lit(True)  # A filter may make any text of it.
    frame: list[dict[str, str]] = [{"role": message.role, "content": ""} for message in prompt.messages]
    around = counter.count_frame([*frame, {"role": "assistant", "content": ""}]) + len(written.encode())
    turn = counter.count_frame([*frame, *([{"role": "user", "content": ""}, {"role": "assistant", "content": ""}] * 2)])
    turns = pl.col("clean_history").list.len().fill_null(0)
    said = (
        pl.col("clean_history").list.eval(pl.element().struct.field("content").str.len_bytes()).list.sum().fill_null(0)
    )
    # A control token that is broken up gains a blank, at most one for every two bytes.
    texts = pl.col("clean").str.len_bytes() * repeats + said + pl.col("clean_answer").str.len_bytes()
    too_long = texts * 3 // 2 + around + turns * turn > most
    return too_long if counter.lossless == "always" else too_long | _is_decomposed("clean", "clean_answer")


def _is_decomposed(*columns: str) -> pl.Expr:
    texts = [pl.col(name).str.normalize("NFC") != pl.col(name) for name in columns]
    return pl.any_horizontal(*texts, pl.col("clean_history").list.len().fill_null(0) > 0)


def _render(
    rows: pl.DataFrame, prompt: PromptIdentity, budget: TokenBudget
) -> Iterator[tuple[list[int], list[Conversation]]]:
    for some in rows.iter_slices(_AT_ONCE):
        columns = some.select("place", "clean", "clean_history", "clean_answer")
        conversations: list[Conversation] = [
            _converse(prompt, text, history, answer, budget) for _, text, history, answer in columns.iter_rows()
        ]
        yield some["place"].to_list(), conversations


def _converse(
    prompt: PromptIdentity, text: str, history: Sequence[dict[str, str]] | None, answer: str, budget: TokenBudget
) -> Conversation:
    target = render_target(json.loads(answer), budget.field_order, budget.output)
    return [*render_prompt(prompt, text, history), {"role": "assistant", "content": target}]
