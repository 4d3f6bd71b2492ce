"""Grammar: a ticket's text from a template, cues and slots, with the answer that follows from them."""

import hashlib
from dataclasses import dataclass
from random import Random

from nightloom.examples.support_triage.words import (
    ACTIONS,
    CLOSINGS,
    CONTEXTS,
    OPENINGS,
    SLOTS,
    TEMPLATES,
    TIMES,
    UNSEEN_TEMPLATES,
    URGENCY_CUES,
)

TEAMS = tuple(TEMPLATES)
URGENCIES = tuple(URGENCY_CUES)
_URGENCY_WEIGHTS = (0.3, 0.4, 0.3)


@dataclass(frozen=True, slots=True)
class Answer:
    """Right answer to a ticket: team, urgency and a one-line reply."""

    team: str
    urgency: str

    @property
    def reply(self) -> str:
        """One line to the customer, determined by team and urgency."""
        return f"{ACTIONS[self.team]} {TIMES[self.urgency]}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A text and its right answer."""

    text: str
    answer: Answer


def make_random(*key: object) -> Random:
    """Return a random source that depends only on the key, on every machine."""
    spelled = "/".join(map(str, key))
    return Random(hashlib.sha256(spelled.encode()).digest())  # noqa: S311  # example data, not cryptography


def write_problem(random: Random, *, unseen: bool = False) -> Problem:
    """Write a ticket of a random team.

    Args:
        random: Source of every choice.
        unseen: Whether to use the templates that no training row has.
    """
    team = random.choice(TEAMS)
    templates = TEMPLATES[team][-UNSEEN_TEMPLATES:] if unseen else TEMPLATES[team][:-UNSEEN_TEMPLATES]
    urgency = random.choices(URGENCIES, _URGENCY_WEIGHTS)[0]
    sentences = [
        random.choice(OPENINGS),
        random.choice(templates),
        *random.sample(CONTEXTS, 2),
        random.choice(URGENCY_CUES[urgency]),
        random.choice(CLOSINGS),
    ]
    text = " ".join(_fill(random, sentence) for sentence in sentences if sentence)
    return Problem(text, Answer(team, urgency))


def _fill(random: Random, sentence: str) -> str:
    # Every slot is sampled for every sentence, so that a new word in one list changes no other choice.
    return sentence.format(
        order=random.randint(10_000, 99_999),
        amount=f"{random.randint(12, 999)}.{random.randint(0, 99):02d} euros",
        amount2=f"{random.randint(12, 999)} euros",
        count=random.randint(2, 60),
        day=f"{random.choice(SLOTS['weekday'])}, {random.choice(SLOTS['month'])} {random.randint(1, 28)}",
        product=random.choice(SLOTS["product"]),
        place=random.choice(SLOTS["place"]),
        plan=random.choice(SLOTS["plan"]),
    )
