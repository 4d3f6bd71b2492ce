"""The dummy engine."""

from nightloom.artifacts.answers import Answer
from nightloom.engines.dummy import DummyEngine

from tests.factories.asking import ask, make_answer

VOTES = {
    "the": {"billing": 5, "login": 5},
    "invoice": {"billing": 4},
    "password": {"login": 3},
}


def ask_votes(*texts: str) -> list[Answer]:
    return ask(DummyEngine(VOTES), [[{"role": "user", "content": text}] for text in texts])


def test_distinctive_words_decide() -> None:
    assert ask_votes("The invoice, please!") == [make_answer("billing", prompt=3)]
    assert ask_votes("the PASSWORD")[0].text == "login"


def test_unknown_words_give_empty_answer() -> None:
    assert ask_votes("zebra") == [make_answer("", completion=0)]


def test_long_answer_is_truncated() -> None:
    engine = DummyEngine({"hello": {"one two three": 1}})
    (answer,) = ask(engine, [[{"role": "user", "content": "hello"}]], 2)
    assert answer == make_answer("one two", "length", completion=2)


def test_answers_follow_order_of_questions() -> None:
    answers = ask_votes("password", "invoice", "password")
    assert [answer.text for answer in answers] == ["login", "billing", "login"]
