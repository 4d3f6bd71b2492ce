"""The dummy model: one file of votes instead of weights, for tests, demos and dry runs."""

import json
from collections.abc import Mapping
from pathlib import Path

from nightloom.artifacts.models import ModelFile

DUMMY_FILE = "dummy.json"

Votes = Mapping[str, Mapping[str, int]]
"""Word → answer → how many training texts with that word had that answer."""


def is_dummy(files: tuple[ModelFile, ...]) -> bool:
    """Tell whether a model's files are those of the dummy, which has no weights."""
    return any(file.path == DUMMY_FILE for file in files)


def split_words(text: str) -> list[str]:
    """Give the words of a text as training and generation both count them."""
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def read_votes(folder: Path) -> Votes:
    """Read what the dummy trainer wrote; a base model's file is an empty mapping."""
    votes: Votes = json.loads((folder / DUMMY_FILE).read_text(encoding="utf-8"))
    return votes
