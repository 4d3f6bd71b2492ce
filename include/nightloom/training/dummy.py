"""The dummy trainer: instant and deterministic. It counts which words came with which answer."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from nightloom.artifacts.models import LossPoint, TrialPlan
from nightloom.engines.dummy import DUMMY_FILE, split_words
from nightloom.training.base import ChatExample, Training


def train_dummy(plan: TrialPlan, base: Path, examples: Sequence[ChatExample], folder: Path) -> Training:
    """Write the votes of every word in the texts for the answers they came with; plan and base change nothing."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    tokens = label_tokens = 0
    for example in examples:
        words = split_words(example.prompt[-1]["content"])
        for word in set(words):
            votes[word][example.answer] += 1
        label_tokens += len(example.answer.split())
        tokens += len(words) + len(example.answer.split())
    (folder / DUMMY_FILE).write_text(json.dumps(votes, sort_keys=True), encoding="utf-8")
    return Training(
        steps=1,
        examples=len(examples),
        tokens=tokens,
        label_tokens=label_tokens,
        tokens_seen=tokens,
        left_out=0,
        curve=(LossPoint(step=1, loss=0.0, learning_rate=0.0),),
    )
