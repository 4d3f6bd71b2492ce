"""The dummy trainer: instant and deterministic. It counts the answers that each word occurs with.

It uses two settings, so that trials can differ: `sample`, the share of the examples to learn from, drawn by the seed,
and `min_votes`, how often a word must occur with an answer to count. It ignores the settings of real trainers, so that
their recipes can be tried out.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan
from nightloom.artifacts.training import HeldOutLoss, LossPoint
from nightloom.base_models.dummy import DUMMY_FILE, Votes, answer_by_votes, split_words
from nightloom.core.digests import short
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.rendering.chat import Conversation
from nightloom.rendering.encode import read_conversations
from nightloom.statistics.intervals import wilson_interval
from nightloom.training.base import Training, TrainingControl


def train_dummy(
    store: ObjectStore, spec: BlueprintSpec, plan: TrialPlan, folder: Path, control: TrainingControl
) -> Training | HeldOutLoss:
    """Write each word's votes for the answers that it occurred with. The base model is not used.

    A step is one example. The loss on the selection split is the share of wrong answers.

    Raises:
        InputError: There are no training rows, a setting is invalid, or there are no selection rows to rank by.
    """
    drawn = _draw(read_conversations(store, spec), plan)
    learned = drawn if control.halt is None else drawn[: math.ceil(control.halt * len(drawn))]
    votes = _count_votes(learned, plan)
    held_out = _measure(votes, read_conversations(store, spec, "selection"), step=len(learned))
    if control.halt is not None:
        return _require_loss(held_out, spec)
    (folder / DUMMY_FILE).write_text(json.dumps(votes, sort_keys=True), encoding="utf-8")
    label_tokens = sum(len(conversation[-1]["content"].split()) for conversation in learned)
    tokens = label_tokens + sum(len(split_words(conversation[-2]["content"])) for conversation in learned)
    return Training(
        steps=len(learned),
        examples=len(learned),
        tokens=tokens,
        label_tokens=label_tokens,
        tokens_seen=tokens,
        left_out=0,
        kept_step=len(learned),
        curve=(LossPoint(step=len(learned), loss=0.0, learning_rate=0.0),),
        held_out=(held_out,) if held_out else (),
    )


def _measure(votes: Votes, conversations: Sequence[Conversation], *, step: int) -> HeldOutLoss | None:
    """Return the share of conversations that the votes answer wrongly, or None if there are no conversations."""
    if not conversations:
        return None
    pairs = (conversation[-2:] for conversation in conversations)
    wrong = sum(
        answer_by_votes(votes, split_words(question["content"])) != answer["content"] for question, answer in pairs
    )
    interval = wilson_interval(wrong, len(conversations))
    return HeldOutLoss(
        step=step, loss=wrong / len(conversations), low=interval.low, high=interval.high, n=len(conversations)
    )


def _draw(conversations: Sequence[Conversation], plan: TrialPlan) -> list[Conversation]:
    share = plan.settings.get("sample", 1.0)
    if not isinstance(share, int | float) or not 0 < share <= 1:
        msg = f"train.settings.sample is {share!r}; write a share of the examples above 0, such as 0.5"
        raise InputError(msg)
    count = math.ceil(share * len(conversations))
    return Random(plan.seed).sample(list(conversations), count)  # noqa: S311  # reproducible, not secret


def _count_votes(conversations: Sequence[Conversation], plan: TrialPlan) -> dict[str, Counter[str]]:
    least = plan.settings.get("min_votes", 1)
    if not isinstance(least, int) or least < 1:
        msg = f"train.settings.min_votes is {least!r}; write a whole number above 0, such as 2"
        raise InputError(msg)
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for conversation in conversations:
        question, answer = (message["content"] for message in conversation[-2:])
        for word in set(split_words(question)):
            votes[word][answer] += 1
    counted = {word: Counter({a: n for a, n in answers.items() if n >= least}) for word, answers in votes.items()}
    return {word: answers for word, answers in counted.items() if answers}


def _require_loss(held_out: HeldOutLoss | None, spec: BlueprintSpec) -> HeldOutLoss:
    if held_out is None:
        msg = f"snapshot {short(spec.snapshot)} has no selection rows to rank trials by; remove train.trials"
        raise InputError(msg)
    return held_out
