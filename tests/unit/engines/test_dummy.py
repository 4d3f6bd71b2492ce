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


def test_telling_words_decide() -> None:
    assert ask_votes("The invoice, please!") == [make_answer("billing", prompt=3)]
    assert ask_votes("the PASSWORD")[0].text == "login"


def test_without_a_known_word_it_says_nothing() -> None:
    assert ask_votes("zebra") == [make_answer("", completion=0)]


def test_an_answer_over_the_limit_is_cut() -> None:
    engine = DummyEngine({"hello": {"one two three": 1}})
    (answer,) = ask(engine, [[{"role": "user", "content": "hello"}]], 2)
    assert answer == make_answer("one two", "length", completion=2)


def test_answers_stand_in_the_order_of_the_questions() -> None:
    answers = ask_votes("password", "invoice", "password")
    assert [answer.text for answer in answers] == ["login", "billing", "login"]
