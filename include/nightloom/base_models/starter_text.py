"""Starter text: training text of the starter base model, from a small seeded grammar of shop, bank and office talk.

It teaches what a base model knows before tuning: common words, which words belong to one subject, and the form of
questions, answers, JSON and chats. It contains no recipe's answers.
"""

import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

WORDS_FILE = Path(__file__).with_name("starter_words.yaml")

_FORMS = (
    "They write about %(about)s; it is %(pressure)s.",
    "Subject: %(about)s. Pressure: %(pressure)s.",
    '{"about": "%(about)s", "pressure": "%(pressure)s"}',
    '{"subject": "%(about)s"}',
    '["%(pressure)s", "%(about)s"]',
)

Chat = list[dict[str, str]]
Phrases = tuple[str, ...]


class Subject(NamedTuple):
    """A subject: its names, its things, their troubles, and people's wishes."""

    names: Phrases
    things: Phrases
    troubles: Phrases
    wishes: Phrases


class Words(NamedTuple):
    """All phrases of the grammar."""

    subjects: tuple[Subject, ...]
    pressing: Phrases
    calm: Phrases
    plain: Phrases
    openers: Phrases
    closers: Phrases
    asides: Phrases
    scraps: Phrases
    names: Phrases
    months: Phrases
    items: Phrases


class Writer:
    """Writes chats of a question and an answer, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311  # training text, not secret
        self._words = _read_words()

    def write_chats(self, count: int) -> Iterator[Chat]:
        """Yield a number of chats."""
        about = self._write_about
        kinds: tuple[Callable[[], tuple[str, str]], ...] = (
            *(about, about, about, about, about),
            self._write_same,
            self._write_record,
            self._write_talk,
            self._write_sorted,
        )
        for _ in range(count):
            question, answer = self._chance.choice(kinds)()
            yield [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    def _write_about(self) -> tuple[str, str]:
        """Return a message, and an answer with its subject and urgency in one of several forms."""
        subject = self._chance.choice(self._words.subjects)
        phrases, pressure = self._chance.choice(
            ((self._words.pressing, "pressing"), (self._words.calm, "can wait"), (self._words.plain, "ordinary"))
        )
        message = self._write_message(subject, self._chance.choice(phrases))
        form = self._chance.choice(_FORMS)
        return message, form % {"about": self._chance.choice(subject.names), "pressure": pressure}

    def _write_same(self) -> tuple[str, str]:
        """Return two sentences, and an answer whether they share a subject."""
        first = self._chance.choice(self._words.subjects)
        second = first if self._chance.random() < 0.5 else self._chance.choice(self._words.subjects)
        question = f"Same subject? {self._write_sentence(first)} {self._write_sentence(second)}"
        if first is second:
            return question, f"Yes, both are about {self._chance.choice(first.names)}."
        return question, f"No, {self._chance.choice(first.names)} and {self._chance.choice(second.names)}."

    def _write_record(self) -> tuple[str, str]:
        """Return an order in words, and its JSON."""
        words, chance = self._words, self._chance
        order = {
            "name": chance.choice(words.names),
            "item": chance.choice(words.items),
            "count": chance.randint(1, 9),
            "month": chance.choice(words.months),
        }
        question = "Write as JSON: {name} ordered {count} times {item} in {month}.".format(**order)
        kept = chance.sample(sorted(order), k=chance.randint(2, 4))
        return question, json.dumps({key: order[key] for key in kept})

    def _write_talk(self) -> tuple[str, str]:
        """Return a question about a subject, and sentences about it."""
        subject = self._chance.choice(self._words.subjects)
        sentences = [self._write_sentence(subject) for _ in range(3)]
        return f"What do people write about {self._chance.choice(subject.names)}?", " ".join(sentences)

    def _write_sorted(self) -> tuple[str, str]:
        """Return a list of things, and a sorted JSON list of them."""
        items = self._chance.sample(self._words.items, k=self._chance.randint(2, 5))
        return "Sort: " + ", ".join(items), json.dumps(sorted(items))

    def _write_message(self, subject: Subject, hint: str) -> str:
        words, chance = self._words, self._chance
        parts = [self._write_sentence(subject) for _ in range(chance.choice((1, 1, 2, 2, 3)))]
        for aside in (hint, *chance.sample(words.asides, k=chance.choice((0, 1, 1, 2)))):
            parts.insert(chance.randint(0, len(parts)), self._end_sentence(self._fill(aside)))
        if chance.random() < 0.4:
            parts.insert(0, chance.choice(words.openers).capitalize() + ",")
        if chance.random() < 0.3:
            parts.append(
                chance.choice(words.closers).capitalize() + chance.choice((".", f", {chance.choice(words.names)}"))
            )
        return " ".join(parts)

    def _write_sentence(self, subject: Subject) -> str:
        chance = self._chance
        if chance.random() < 0.4:
            return self._end_sentence(chance.choice(subject.wishes))
        text = f"{chance.choice(subject.things)} {chance.choice(subject.troubles)}"
        if chance.random() < 0.4:
            text = f"{text} {self._fill(chance.choice(self._words.scraps))}"
        return self._end_sentence(text)

    def _fill(self, scrap: str) -> str:
        words, chance = self._words, self._chance
        return scrap.format(
            n=chance.randint(2, 999),
            name=chance.choice(words.names),
            month=chance.choice(words.months),
            item=chance.choice(words.items),
        )

    def _end_sentence(self, text: str) -> str:
        asks = text.split(" ", 1)[0] in {"how", "where", "when", "what", "which", "who", "why", "can", "is", "do"}
        text = text if self._chance.random() < 0.2 else text[0].upper() + text[1:]
        return text + ("?" if asks else self._chance.choice((".", ".", ".", "!")))


@cache
def _read_words() -> Words:
    document = yaml.safe_load(WORDS_FILE.read_text(encoding="utf-8"))
    subjects = tuple(Subject(**{k: _split(v) for k, v in subject.items()}) for subject in document.pop("subjects"))
    return Words(subjects, **{key: _split(value) for key, value in document.items()})


def _split(text: str) -> Phrases:
    return tuple(text.split("; "))
