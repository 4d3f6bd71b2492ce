import json
from types import SimpleNamespace

import pytest
from nightloom.core import extensions
from nightloom.core.errors import InputError
from nightloom.evaluation.scorers import (
    EXACT_MATCH,
    Exact,
    ExactMatch,
    Response,
    Score,
    Valid,
    find_scorer,
    score_response,
)

from tests.factories.asking import make_answer

PACKAGE = """
from nightloom.artifacts.results import Scale
from nightloom.evaluation.scorers import Score


class Tokens:
    name = "tokens"
    version = "2"
    scope = "answer"
    scale = Scale(kind="real", unit="tokens", direction="lower", least=0, most=None)

    def score(self, response, target):
        return Score(response.answer.completion_tokens)


tokens = Tokens()
words = len
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package that registers a scorer and a function that is not one."""
    (tmp_path / "tokens_nightloom.py").write_text(PACKAGE)
    folder = tmp_path / "tokens-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: tokens\nVersion: 1\n")
    points = "tokens = tokens_nightloom:tokens\nwords = tokens_nightloom:words\n"
    (folder / "entry_points.txt").write_text(f"[nightloom.scorers]\n{points}")
    monkeypatch.syspath_prepend(str(tmp_path))
    extensions._find.cache_clear()
    yield
    extensions._find.cache_clear()


class Fixed:
    """Scorer with a fixed value."""

    name = "fixed"
    version = "1"
    scope = "field"
    scale = EXACT_MATCH

    def __init__(self, value):
        self.value = value

    def score(self, response, target):
        return Score(self.value)


@pytest.mark.parametrize(
    ("given", "value"),
    [("billing", 1.0), (" billing\n", 1.0), ("Billing", 0.0), ("", 0.0), (None, 0.0)],
    ids=["equal", "space around", "capital", "empty", "not the form asked for"],
)
def test_exact_match_compares_characters(given, value):
    assert ExactMatch().score(Response(given), "billing") == Score(value)


def test_exact_match_normalises_unicode():
    assert ExactMatch().score(Response("cafe\u0301"), "caf\u00e9").value == 1.0


def test_exact_needs_all_fields():
    target = json.dumps({"team": "billing", "urgency": "low"})
    values = [json.dumps({"team": "billing", "urgency": urgency}) for urgency in ("low ", "high")]
    assert [Exact().score(Response(value), target).value for value in (*values, None)] == [1.0, 0.0, 0.0]


def test_valid_checks_the_format_only():
    assert [Valid().score(Response(value), "{}").value for value in ("{}", None)] == [1.0, 0.0]


def test_installed_scorer_is_found(installed):
    tokens = find_scorer("tokens")
    response = Response("{}", make_answer("{}", prompt=12, completion=3))
    assert score_response(tokens, response, "{}", "i0") == Score(3.0)


def test_invalid_scorer_is_refused(installed):
    with pytest.raises(InputError, match=r"the entry point 'words' of nightloom\.scorers is not a scorer of that name"):
        find_scorer("words")


def test_unknown_scorer_lists_known_ones():
    with pytest.raises(InputError, match=r"did you mean 'exact_match'\? known: exact, exact_match, valid"):
        find_scorer("exact_mach")


@pytest.mark.parametrize("value", [0.5, float("nan"), -1.0, float("inf")], ids=str)
def test_value_off_the_scale_is_refused(value):
    with pytest.raises(InputError, match=f"scorer fixed/1 returned {value} on item i7, off its scale"):
        score_response(Fixed(value), Response("x"), "x", "i7")


def test_failed_scorer_hides_the_answer():
    broken = SimpleNamespace(name="broken", version="1", scale=EXACT_MATCH, score=lambda given, target: 1 / 0)
    with pytest.raises(InputError, match="scorer broken/1 failed on item i7 with ZeroDivisionError") as caught:
        score_response(broken, Response("the words of a row"), "x", "i7")
    assert "words" not in str(caught.value)


def test_item_may_have_no_score():
    judge = SimpleNamespace(scale=EXACT_MATCH, score=lambda given, target: Score(None, "no answer in 60 s"))
    assert score_response(judge, Response("x"), "x", "i7") == Score(None, "no answer in 60 s")
