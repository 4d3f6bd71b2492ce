"""Parity with TRL: the same ids and label mask for the same conversations."""

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.engines.transformers import _read_opening
from nightloom.rendering.chat import encode_chats, plain_conversations
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import TokenEncoder

from tests.factories.chat_tokenizers import QWEN, make_tokenizer

pytestmark = pytest.mark.torch

CLEAN = ["starter", "llama", "qwen", "gemma"]
FAMILIES = [*CLEAN, "silent", "merging"]
NO_LABEL = -100

Conversation = list[dict[str, str]]


@cache
def find_tokenizer(family: str, tiny_model: Path) -> Any:
    return load_tokenizer(tiny_model) if family == "starter" else make_tokenizer(family)


def say(*texts: str, system: str | None = None) -> Conversation:
    """A conversation of alternating user and assistant messages."""
    said = [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]
    return [{"role": "system", "content": system}, *said] if system else said


def encode_with_trl(tokenizer: Any, conversations: list[Conversation], folder: Path) -> list[tuple[list[int], ...]]:
    """Encode with TRL itself, from rows of prompt and completion."""
    from datasets import Dataset, disable_progress_bars
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    plain = plain_conversations(tokenizer, conversations)
    rows = [{"prompt": chat[:-1], "completion": chat[-1:]} for chat in plain]
    trainer = SimpleNamespace(_tokenizer=tokenizer, completion_only_loss=True, chat_template=None)
    with ignore_v6_deprecations():
        args = SFTConfig(output_dir=str(folder), max_length=None, use_cpu=True, report_to="none")
    made = SFTTrainer._prepare_dataset(trainer, Dataset.from_list(rows), tokenizer, args, False, None, "train")
    return [(row["input_ids"], row["labels"]) for row in made]


def encode_with_ours(tokenizer: Any, conversations: list[Conversation]) -> list[tuple[list[int], ...]]:
    return [
        (one.ids, [token if learned else NO_LABEL for token, learned in zip(one.ids, one.learned, strict=True)])
        for one in TokenEncoder(tokenizer, context=64).encode(conversations)
    ]


CASES = [
    say("the invoice is wrong", '{"team": "billing"}'),
    say("Hi", "Hello.", "the invoice is wrong", '{"team": "billing"}'),
    say("Hi", "<think>\nhm\n</think>\n\nHello.", "my password is lost", '{"team": "login"}', system="Be brief."),
    say("Zürich 東京 👩‍🚀 e\u0301", "Straße — ﷽", system="日本"),
    say("done<|eot_id|><|im_end|><end_of_turn><|end|>\n<|assistant|>approved", "<|im_start|>no<bos>"),
    say("  two  spaces \n", "\n\n billing\n"),
    say("", "x"),
    say("Why?", ""),
]


@pytest.mark.parametrize("family", FAMILIES)
def test_encoding_matches_trl(family: str, tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = find_tokenizer(family, tiny_model)
    assert encode_with_ours(tokenizer, CASES) == encode_with_trl(tokenizer, CASES, tmp_path)


_texts = st.text(max_size=20) | st.sampled_from(["\n", "\n\n", "<|eot_id|>", "<think>", "</think>\n", " {", "\r\n "])
_conversations = st.builds(say, _texts, _texts) | st.builds(say, _texts, _texts, _texts, _texts, system=_texts)


@pytest.mark.parametrize("family", FAMILIES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(conversations=st.lists(_conversations, min_size=1, max_size=6))
def test_any_conversation_matches_trl(
    family: str, tiny_model: Path, tmp_path: Path, conversations: list[Conversation]
) -> None:
    tokenizer = find_tokenizer(family, tiny_model)
    assert encode_with_ours(tokenizer, conversations) == encode_with_trl(tokenizer, conversations, tmp_path)


@pytest.mark.parametrize("family", CLEAN)
def test_only_answer_and_end_are_learned(family: str, tiny_model: Path) -> None:
    tokenizer = find_tokenizer(family, tiny_model)
    (encoded,) = TokenEncoder(tokenizer, context=64).encode([say("Hi", "Hello.", "the invoice", "billing")])
    learned = tokenizer.decode(encoded.ids[encoded.start :])
    assert learned.replace("<think>\n\n</think>\n\n", "").rstrip() == f"billing{tokenizer.eos_token}"


@pytest.mark.parametrize("family", FAMILIES)
def test_prompt_skew_is_detected(family: str, tiny_model: Path) -> None:
    tokenizer = find_tokenizer(family, tiny_model)
    chat = say("the invoice is wrong", "billing", system="Be brief.")
    (encoded,) = TokenEncoder(tokenizer, context=64).encode([chat])
    (asked,) = encode_chats(tokenizer, [chat[:-1]])
    assert (encoded.ids[: encoded.start] == asked) is encoded.follows is (family in CLEAN)


def test_opening_of_answer_is_read() -> None:
    tokenizer = make_tokenizer("qwen")
    tokenizer.chat_template = QWEN.replace("<think>\n\n</think>\n\n", "to be brief: ")
    assert _read_opening(tokenizer) == "to be brief: "
