"""Item tokens: right answers that a limit does not allow are counted before anything is trained."""

from pathlib import Path

import pytest
from nightloom.artifacts.results import ItemTokens
from nightloom.rendering.item_tokens import count_tokens, describe_limits
from nightloom.rendering.tokens import TokenEncoder, open_encoder

from tests.factories.chat_tokenizers import QWEN, make_tokenizer

pytestmark = pytest.mark.torch

SETTING = "predict.max_new_tokens"


def say(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def test_answer_counts_with_its_end(tiny_model: Path) -> None:
    encoder = open_encoder(tiny_model)
    result = count_tokens(encoder, [say("a", "b"), say("a b c", "b"), say("a", "b d e f g")])
    assert (result.context, result.items, sum(result.prompts.values())) == (64, 3, 3)
    assert result.answers[2] == 2
    assert result.count_longer(1) == 3
    assert result.count_longer(2) == 1


def test_thought_counts_and_line_after_does_not() -> None:
    tokenizer = make_tokenizer("qwen")
    (whole,) = count_tokens(TokenEncoder(tokenizer, context=64), [say("a", "b")]).answers
    tokenizer.chat_template = QWEN.replace("'<think>\n\n</think>\n\n' + content", "content")
    (alone,) = count_tokens(TokenEncoder(tokenizer, context=64), [say("a", "b")]).answers
    assert alone == 2 < whole


def test_limits_are_described_with_counts() -> None:
    counted = ItemTokens.Result(context=100, prompts={20: 1300, 90: 19}, answers={9: 507, 70: 800, 203: 12})
    assert list(describe_limits("gold", counted, 64, SETTING)) == [
        "812 of 1,319 right answers of gold are longer than predict.max_new_tokens (64), so no model can give them; "
        "the longest has 203 tokens",
        "19 of 1,319 prompts of gold leave no room for predict.max_new_tokens (64) in the base model's context of 100 "
        "tokens, and get an empty answer",
    ]
    assert list(describe_limits("gold", counted.model_copy(update={"context": 999}), 203, SETTING)) == []
