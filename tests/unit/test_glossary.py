"""docs/glossary.md explains words that the code uses, where it says that they are."""

import re
from pathlib import Path

import nightloom
import pytest

PACKAGE = Path(nightloom.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([a-z ]+) \| .+ \| `(\w+)\.(\w+)` \|$", PAGE, re.MULTILINE)


def words_of(text: str) -> str:
    """Return a text in lower case, with each identifier as its words."""
    return re.sub(r"[_\s-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).lower()


def test_words_are_sorted() -> None:
    words = [word for word, _, _ in ROWS]
    assert words == sorted(set(words))
    assert len(words) == len(re.findall(r"^\| ", PAGE, re.MULTILINE)) - 2  # without the head of the table
    assert len(words) >= 40


@pytest.mark.parametrize(("word", "package", "module"), ROWS, ids=[row[0] for row in ROWS])
def test_word_is_used_in_its_module(word: str, package: str, module: str) -> None:
    source = (PACKAGE / package / f"{module}.py").read_text(encoding="utf-8")
    assert word in words_of(source)
