from pathlib import Path

import pytest

from tests.tools.words import Piece, find_offences, judge, main, report

MODULE = '''"""Pile: what is kept, whoever put it there."""

_SETTLED = 1


def tell_size(pile):
    """Give the size."""
    # It stands below.
    return f"nobody knows {pile}"
'''


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for path, text in {
        "include/pile.py": MODULE,
        "include/page.j2": "<p>One line.</p>\n<p>Done anew.</p>",
        "tests/test_pile.py": "def test_pile_of_three():\n    assert 'data may be told'\n",
        "docs/pile.md": "All is well.",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_words_are_found_wherever_people_read(checkout: Path) -> None:
    assert {(offence.path, offence.line, offence.word) for offence in find_offences(checkout)} == {
        ("include/pile.py", 1, "whoever"),
        ("include/pile.py", 3, "SETTLED"),
        ("include/pile.py", 6, "tell"),
        ("include/pile.py", 7, "Give"),
        ("include/pile.py", 8, "stands"),
        ("include/pile.py", 9, "nobody"),
        ("include/page.j2", 2, "anew"),
    }


@pytest.mark.parametrize("text", ["storytelling", "understands", "type[None]: x", "retold", "soundness"])
def test_part_of_a_word_is_no_word(text: str) -> None:
    assert not list(judge(Piece("a.py", 1, text)))


def test_check_lists_what_to_write(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(checkout)]) == 1
    assert "include/page.j2:2: 'anew'; write: again\n" in capsys.readouterr().out


def test_report_counts(checkout: Path) -> None:
    counted = report(checkout)
    assert (counted["docstrings"], counted["first words"]) == (2, {"Pile:": 1, "Give": 1})
    assert counted["words a test name"] == {"median": 3, "p90": 3, "max": 3}
    assert counted["unwelcome"]["anew"] == 1
