"""The dummy trainer: instant and deterministic. It counts which words came with which answer."""

import json
from collections import Counter, defaultdict
from pathlib import Path

from nightloom.artifacts.blueprints import BlueprintIdentity, TrialPlan
from nightloom.artifacts.training import LossPoint
from nightloom.core.store import ObjectStore
from nightloom.engines.dummy import DUMMY_FILE, split_words
from nightloom.training.base import Course, Training
from nightloom.training.encode import read_conversations


def train_dummy(
    store: ObjectStore, blueprint: BlueprintIdentity, plan: TrialPlan, folder: Path, course: Course
) -> Training:
    """Write the votes of every word in the texts for the answers they came with; plan and base change nothing."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    tokens = label_tokens = 0
    conversations = read_conversations(store, blueprint)
    for conversation in conversations:
        question, answer = (message["content"] for message in conversation[-2:])
        words = split_words(question)
        for word in set(words):
            votes[word][answer] += 1
        label_tokens += len(answer.split())
        tokens += len(words) + len(answer.split())
    (folder / DUMMY_FILE).write_text(json.dumps(votes, sort_keys=True), encoding="utf-8")
    return Training(
        steps=1,
        examples=len(conversations),
        tokens=tokens,
        label_tokens=label_tokens,
        tokens_seen=tokens,
        left_out=0,
        kept_step=1,
        curve=(LossPoint(step=1, loss=0.0, learning_rate=0.0),),
    )
