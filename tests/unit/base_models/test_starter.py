"""The starter base model and its text."""

import json
from pathlib import Path

import pytest
from nightloom.artifacts.models import BaseModelManifest
from nightloom.base_models.starter import StarterSettings, make_starter, pretrain_starter
from nightloom.base_models.starter_text import Writer
from nightloom.core.digests import digest_file
from nightloom.core.store import ObjectStore
from nightloom.rendering.tokenizer import load_tokenizer

TINY = StarterSettings(
    vocabulary=300, hidden=16, layers=1, heads=2, inner=32, context=64, steps=2, rows=2, row_tokens=16
)


def test_seed_determines_the_chats() -> None:
    assert list(Writer(3).write_chats(50)) == list(Writer(3).write_chats(50))
    assert list(Writer(3).write_chats(50)) != list(Writer(4).write_chats(50))


def test_chat_is_question_and_answer() -> None:
    chats = list(Writer(3).write_chats(300))
    assert {tuple(message["role"] for message in chat) for chat in chats} == {("user", "assistant")}
    assert all(message["content"].strip() for chat in chats for message in chat)
    assert not any("{" in chat[0]["content"] for chat in chats)


def test_json_answers_are_valid() -> None:
    answers = [chat[1]["content"] for chat in Writer(3).write_chats(300)]
    documents = [json.loads(answer) for answer in answers if answer[0] in "[{"]
    assert len(documents) > 50


def test_starter_knows_no_recipe() -> None:
    answers = " ".join(chat[1]["content"] for chat in Writer(3).write_chats(2000))
    assert '"team"' not in answers
    assert '"urgency"' not in answers


@pytest.mark.torch
def test_tokenizer_encodes_any_text(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    text = "Zürich 東京 👩‍🚀 \x00\t<|x|>  two  spaces"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.torch
def test_each_message_ends_with_end_token(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    chat = [{"role": role, "content": "x"} for role in ("system", "user", "assistant")]
    assert (
        tokenizer.apply_chat_template(chat, tokenize=False) == "<|system|>x<|end|><|user|>x<|end|><|assistant|>x<|end|>"
    )
    asked = tokenizer.apply_chat_template(chat[:2], tokenize=False, add_generation_prompt=True)
    assert asked == "<|system|>x<|end|><|user|>x<|end|><|assistant|>"


@pytest.mark.torch
def test_template_marks_assistant_text(tiny_model: Path) -> None:
    from trl.chat_template_utils import is_chat_template_stop_token_trained

    assert is_chat_template_stop_token_trained(load_tokenizer(tiny_model))


@pytest.mark.torch
def test_same_settings_give_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        pretrain_starter(TINY, folder, report=lambda line: None)
    digests = [{path.name: digest_file(path) for path in folder.iterdir()} for folder in folders]
    assert digests[0] == digests[1]
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= set(digests[0])


@pytest.mark.torch
def test_pretraining_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers.utils.logging import enable_progress_bar

    enable_progress_bar()
    pretrain_starter(TINY, tmp_path, report=lambda line: None)
    assert capsys.readouterr() == ("", "")


@pytest.mark.torch
def test_starter_is_made_once(store: ObjectStore) -> None:
    reported: list[str] = []
    base = make_starter(store, TINY, reported.append)
    lines = len(reported)
    assert make_starter(store, TINY, reported.append) == base
    assert len(reported) == lines
    assert store.load(BaseModelManifest, base).id == base
