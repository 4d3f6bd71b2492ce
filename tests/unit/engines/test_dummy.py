"""The dummy engine."""

from nightloom.engines.base import Generation
from nightloom.engines.dummy import DummyEngine

VOTES = {
    "the": {"billing": 5, "login": 5},
    "invoice": {"billing": 4},
    "password": {"login": 3},
}


def ask(text: str, max_new_tokens: int = 8) -> Generation:
    return DummyEngine(VOTES).generate([[{"role": "user", "content": text}]], max_new_tokens)[0]


def test_telling_words_decide() -> None:
    assert ask("The invoice, please!") == Generation("billing", prompt_tokens=3, output_tokens=1, finished=True)
    assert ask("the PASSWORD").text == "login"


def test_without_a_known_word_it_says_nothing() -> None:
    assert ask("zebra").text == ""


def test_an_answer_over_the_limit_is_cut() -> None:
    engine = DummyEngine({"hello": {"one two three": 1}})
    (generation,) = engine.generate([[{"role": "user", "content": "hello"}]], max_new_tokens=2)
    assert generation == Generation("one two", prompt_tokens=1, output_tokens=2, finished=False)


def test_answers_stand_in_the_order_of_the_questions() -> None:
    chats = [[{"role": "user", "content": text}] for text in ("password", "invoice", "password")]
    assert [answer.text for answer in DummyEngine(VOTES).generate(chats, 8)] == ["login", "billing", "login"]
