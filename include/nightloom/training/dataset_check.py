"""The label census: what will be learned, counted before the first step, and refused if it teaches the wrong thing."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from nightloom.artifacts.frames import LABELS
from nightloom.core.errors import InputError
from nightloom.training.answer_loss import NO_LABEL

logger = logging.getLogger(__name__)

_MOST_LEFT_OUT = 0.01
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Census:
    """What a trainer will see in one epoch.

    Attributes:
        examples: Examples that fit.
        tokens: Their tokens.
        label_tokens: Of those, tokens whose prediction is learned.
        left_out: Examples longer than the context; they are never cut.
    """

    examples: int
    tokens: int
    label_tokens: int
    left_out: int


def take_census(rows: pl.DataFrame, context: int, tokenizer: Any, ends: Collection[int]) -> tuple[pl.DataFrame, Census]:
    """Return the examples to train on, and what they come to; check that every answer's end is learned.

    Args:
        rows: TOKENS frame of the training split.
        context: Tokens that the model can hold, or fewer, as the recipe says.
        tokenizer: Names the ends.
        ends: Tokens that end an answer when it is generated.

    Raises:
        InputError: Over one example in a hundred does not fit, or an answer's end is not learned.
    """
    fitting = rows.filter(pl.col("input_ids").list.len() <= context)
    left_out = len(rows) - len(fitting)
    if left_out > len(rows) * _MOST_LEFT_OUT:
        told = f"all {left_out}" if fitting.is_empty() else f"{left_out} of {len(rows)}"
        msg = (
            f"{told} training examples are longer than {context} tokens, the base model's context or "
            f"train.settings.max_length, and none is cut; lower prepare.max_characters, or take a longer context"
        )
        raise InputError(msg)
    named = ", ".join(tokenizer.convert_ids_to_tokens(sorted(ends)))
    if endless := sum(_count_endless(part, ends) for part in fitting.iter_slices(_AT_ONCE)):
        msg = (
            f"in {endless} of {len(fitting)} training examples the answer's end ({named}) is not learned, so the model "
            f"would never learn to stop; the chat template must end the assistant's turn with the tokenizer's "
            f"eos_token, or with a token that eos_token_id in generation_config.json names"
        )
        raise InputError(msg)
    census = Census(
        examples=len(fitting),
        tokens=int(fitting["input_ids"].list.len().sum()),
        label_tokens=int(fitting["learned"].list.sum().sum()),
        left_out=left_out,
    )
    logger.info(
        "labels: %d of %d tokens (%.0f %%) in %d examples; each answer ends with one of %s; %d examples too long",
        census.label_tokens,
        census.tokens,
        100 * census.label_tokens / census.tokens,
        census.examples,
        named,
        census.left_out,
    )
    return fitting, census


def label_examples(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the ids and labels of examples as TRL takes them, in their order."""
    return pl.concat([_label(part) for part in rows.iter_slices(_AT_ONCE)])


def check_dataset(dataset: Any, census: Census) -> None:
    """Check that the trainer will see what was counted: every example whole, packed or not, with every label.

    Args:
        dataset: TRL's dataset, ready to be trained on.
        census: What was given to TRL.

    Raises:
        InputError: Examples, tokens or labels were cut, dropped or joined.
    """
    examples = tokens = labels = 0
    for part in dataset.with_format("polars").iter(_AT_ONCE):
        packed = "seq_lengths" in part.columns
        examples += int(part["seq_lengths"].list.len().sum()) if packed else len(part)
        tokens += int(part["input_ids"].list.len().sum())
        labels += int(part["labels"].list.eval(pl.element() != NO_LABEL).list.sum().sum())
    if (examples, tokens, labels) != (census.examples, census.tokens, census.label_tokens):
        msg = (
            f"of {census.examples} examples with {census.tokens} tokens and {census.label_tokens} labels, the settings "
            f"leave {examples} with {tokens} and {labels}; remove from train.settings what cuts, drops or joins "
            f"them, such as packing_strategy or dataset_kwargs"
        )
        raise InputError(msg)


def pick_sample(rows: pl.DataFrame, tokenizer: Any) -> pl.DataFrame:
    """Return an example of median length as the model sees it: a LABELS frame."""
    by_length = rows.sort(pl.col("input_ids").list.len(), "row_id")
    row = by_length.row(len(by_length) // 2, named=True)
    # One by one: together, tokens that are parts of one character would be joined.
    tokens = [tokenizer.decode([token]) for token in row["input_ids"]]
    columns = {"row_id": row["row_id"], "place": range(len(tokens)), "token": tokens, "learned": row["learned"]}
    return pl.DataFrame(columns, schema=LABELS)


def _label(rows: pl.DataFrame) -> pl.DataFrame:
    label = pl.when("learned").then("input_ids").otherwise(NO_LABEL)
    tokens = rows.select("input_ids", "learned").with_row_index().explode("input_ids", "learned")
    return tokens.group_by("index", maintain_order=True).agg("input_ids", labels=label).drop("index")


def _count_endless(rows: pl.DataFrame, ends: Collection[int]) -> int:
    """Count the examples in which no end is learned, or the last one is not where a template ends all answers.

    What a template writes after an end is the same for all of them; an end that only stands in an answer's text is
    followed by anything.
    """
    lengths = rows["input_ids"].list.len().to_numpy()
    of_row = np.repeat(np.arange(len(rows)), lengths)
    ids = rows["input_ids"].explode().to_numpy()
    learned = rows["learned"].explode().to_numpy().astype(bool)
    last_end = _last_places(of_row, learned & np.isin(ids, list(ends)), len(rows))
    tails = _last_places(of_row, learned, len(rows)) - last_end
    ended = last_end >= 0
    if not ended.any():
        return len(rows)
    usual = int(np.median(tails[ended]))
    ended &= tails == usual
    written = np.stack([ids[last_end[ended] + place] for place in range(1, usual + 1)]) if usual else np.empty((0, 1))
    same = int((written == written[:, :1]).all(0).sum()) if usual else int(ended.sum())
    return len(rows) - same


def _last_places(of_row: Any, chosen: Any, count: int) -> Any:
    """Return the place of the last chosen token of each row; -1 where none is."""
    last = np.full(count, -1)
    np.maximum.at(last, of_row[chosen], np.flatnonzero(chosen))
    return last
