"""Dataset check: label statistics before the first step, and a refusal of labels that teach the wrong thing."""

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
class LabelStats:
    """Label statistics of one epoch.

    Attributes:
        examples: Examples that fit.
        tokens: Tokens of the examples.
        label_tokens: Tokens whose prediction is learned.
        left_out: Examples longer than the context; examples are never truncated.
        changed_answers: Examples whose answer the chat template does not write as it is.
    """

    examples: int
    tokens: int
    label_tokens: int
    left_out: int
    changed_answers: int = 0


def check_labels(
    rows: pl.DataFrame, context: int, tokenizer: Any, ends: Collection[int]
) -> tuple[pl.DataFrame, LabelStats]:
    """Return the examples that fit and their label statistics; check that the end of every answer is learned.

    Args:
        rows: TOKENS frame of the training split.
        context: Maximum number of tokens, of the model or of the recipe.
        tokenizer: The tokenizer, which names the end tokens.
        ends: Tokens that end a generated answer.

    Raises:
        InputError: More than one example in a hundred does not fit, or the end of an answer is not learned.
    """
    fitting = rows.filter(pl.col("input_ids").list.len() <= context)
    left_out = len(rows) - len(fitting)
    if left_out > len(rows) * _MOST_LEFT_OUT:
        count = f"all {left_out}" if fitting.is_empty() else f"{left_out} of {len(rows)}"
        msg = (
            f"{count} training examples are longer than {context} tokens, the base model's context or "
            f"train.settings.max_length, and examples are never truncated; lower prepare.max_characters, or use a "
            f"longer context"
        )
        raise InputError(msg)
    named = ", ".join(tokenizer.convert_ids_to_tokens(sorted(ends)))
    if endless := sum(_count_endless(part, ends) for part in fitting.iter_slices(_AT_ONCE)):
        msg = (
            f"in {endless} of {len(fitting)} training examples the end of the answer ({named}) has no label, so the "
            f"model would never learn to stop; the chat template must end the assistant's message with the tokenizer's "
            f"eos_token, or with a token of eos_token_id in generation_config.json"
        )
        raise InputError(msg)
    stats = LabelStats(
        examples=len(fitting),
        tokens=int(fitting["input_ids"].list.len().sum()),
        label_tokens=int(fitting["learned"].list.sum().sum()),
        left_out=left_out,
        changed_answers=int((~fitting["intact"]).sum()),
    )
    logger.info(
        "labels: %d of %d tokens (%.0f %%) in %d examples; end tokens %s; %d examples too long",
        stats.label_tokens,
        stats.tokens,
        100 * stats.label_tokens / stats.tokens,
        stats.examples,
        named,
        stats.left_out,
    )
    return fitting, stats


def label_examples(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the ids and labels of examples in TRL's format, in the same order."""
    return pl.concat([_label(part) for part in rows.iter_slices(_AT_ONCE)])


def check_dataset(dataset: Any, stats: LabelStats) -> None:
    """Check that TRL's dataset, packed or not, holds every example, token and label.

    Args:
        dataset: TRL's dataset, ready for training.
        stats: Label statistics of the examples that TRL received.

    Raises:
        InputError: Examples, tokens or labels were truncated, dropped or joined.
    """
    examples = tokens = labels = 0
    for part in dataset.with_format("polars").iter(_AT_ONCE):
        packed = "seq_lengths" in part.columns
        examples += int(part["seq_lengths"].list.len().sum()) if packed else len(part)
        tokens += int(part["input_ids"].list.len().sum())
        labels += int(part["labels"].list.eval(pl.element() != NO_LABEL).list.sum().sum())
    if (examples, tokens, labels) != (stats.examples, stats.tokens, stats.label_tokens):
        msg = (
            f"of {stats.examples} examples with {stats.tokens} tokens and {stats.label_tokens} labels, the settings "
            f"leave {examples} with {tokens} and {labels}; remove the settings in train.settings that truncate, drop "
            f"or join examples, such as packing_strategy or dataset_kwargs"
        )
        raise InputError(msg)


def pick_sample(rows: pl.DataFrame, tokenizer: Any) -> pl.DataFrame:
    """Return an example of median length as the model reads it: a LABELS frame."""
    by_length = rows.sort(pl.col("input_ids").list.len(), "row_id")
    row = by_length.row(len(by_length) // 2, named=True)
    # Decoded one by one: together, tokens that are parts of one character would be joined.
    tokens = [tokenizer.decode([token]) for token in row["input_ids"]]
    columns = {"row_id": row["row_id"], "position": range(len(tokens)), "token": tokens, "learned": row["learned"]}
    return pl.DataFrame(columns, schema=LABELS)


def _label(rows: pl.DataFrame) -> pl.DataFrame:
    label = pl.when("learned").then("input_ids").otherwise(NO_LABEL)
    tokens = rows.select("input_ids", "learned").with_row_index().explode("input_ids", "learned")
    return tokens.group_by("index", maintain_order=True).agg("input_ids", labels=label).drop("index")


def _count_endless(rows: pl.DataFrame, ends: Collection[int]) -> int:
    """Count the examples without a learned end token where the template ends answers.

    After the end token, a template writes the same text in all examples. An end token inside an answer's text is
    followed by anything else.
    """
    lengths = rows["input_ids"].list.len().to_numpy()
    of_row = np.repeat(np.arange(len(rows)), lengths)
    ids = rows["input_ids"].explode().to_numpy()
    learned = rows["learned"].explode().to_numpy().astype(bool)
    last_end = _last_positions(of_row, learned & np.isin(ids, list(ends)), len(rows))
    tails = _last_positions(of_row, learned, len(rows)) - last_end
    ended = last_end >= 0
    if not ended.any():
        return len(rows)
    usual = int(np.median(tails[ended]))
    ended &= tails == usual
    written = np.stack([ids[last_end[ended] + offset] for offset in range(1, usual + 1)]) if usual else np.empty((0, 1))
    same = int((written == written[:, :1]).all(0).sum()) if usual else int(ended.sum())
    return len(rows) - same


def _last_positions(of_row: Any, chosen: Any, count: int) -> Any:
    """Return the position of the last chosen token of each row, or -1 if there is none."""
    last = np.full(count, -1)
    np.maximum.at(last, of_row[chosen], np.flatnonzero(chosen))
    return last
