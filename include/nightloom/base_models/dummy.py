"""The dummy model: one file of votes instead of weights, for tests, demos and dry runs."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from nightloom.artifacts.models import ModelFile

DUMMY_FILE = "dummy.json"

Votes = Mapping[str, Mapping[str, int]]
"""Word → answer → how many training texts with that word had that answer."""


def is_dummy(files: tuple[ModelFile, ...]) -> bool:
    """Whether a model's files are those of the dummy, which has no weights."""
    return any(file.path == DUMMY_FILE for file in files)


def split_words(text: str) -> list[str]:
    """Return the words of a text, the same for training and generation."""
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def read_votes(folder: Path) -> Votes:
    """Return the votes that the dummy trainer wrote; a base model has none."""
    votes: Votes = json.loads((folder / DUMMY_FILE).read_text(encoding="utf-8"))
    return votes


def answer_by_votes(votes: Votes, words: Iterable[str]) -> str:
    """Return the answer with the greatest share of the votes of all words, or an empty string without votes."""
    shares: dict[str, float] = defaultdict(float)
    for word in sorted(set(words)):
        of_word = votes.get(word, {})
        total = sum(of_word.values())
        for answer, count in of_word.items():
            # Squared, so that one distinctive word outweighs many that occur with every answer.
            shares[answer] += (count / total) ** 2
    return min(shares, key=lambda answer: (-shares[answer], answer), default="")
