"""The label census: what will be learned, counted before the first step, and refused if it teaches the wrong thing."""

import logging
from dataclasses import dataclass
from typing import Any

from nightloom.core.errors import InputError

logger = logging.getLogger(__name__)

_NO_LABEL = -100
_MOST_LEFT_OUT = 0.01


@dataclass(frozen=True, slots=True)
class Census:
    """What the trainer will see in one epoch."""

    examples: int
    tokens: int
    label_tokens: int
    left_out: int


def take_census(trainer: Any, tokenizer: Any) -> Census:
    """Count tokens and labels, leave out what does not fit the context, and check that the model learns to stop.

    Raises:
        InputError: Over one example in a hundred does not fit, none has a label, or an answer's end has none.
    """
    context = trainer.model.config.max_position_embeddings
    rows = trainer.train_dataset
    fitting = rows.filter(lambda row: len(row["input_ids"]) <= context)
    left_out = len(rows) - len(fitting)
    if left_out > len(rows) * _MOST_LEFT_OUT:
        msg = (
            f"{left_out} of {len(rows)} training examples are longer than the base model's {context} tokens; "
            f"lower prepare.max_characters, or take a base model with a longer context"
        )
        raise InputError(msg)
    trainer.train_dataset = fitting
    tokens = label_tokens = 0
    for row in fitting:
        labels = [token for token in row["labels"] if token != _NO_LABEL]
        if tokenizer.eos_token_id not in labels:
            msg = (
                f"an answer's end token {tokenizer.eos_token!r} carries no label, so the model would never learn to "
                f"stop; the chat template must end the assistant's turn with it"
            )
            raise InputError(msg)
        tokens += len(row["input_ids"])
        label_tokens += len(labels)
    census = Census(len(fitting), tokens, label_tokens, left_out)
    logger.info(
        "labels: %d of %d tokens in %d examples; each ends with %s; %d examples too long and left out",
        census.label_tokens,
        census.tokens,
        census.examples,
        tokenizer.eos_token,
        census.left_out,
    )
    return census
