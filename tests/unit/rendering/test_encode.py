"""Encoding a snapshot: once for all trials, a shard at a time, and again when an input changes."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec, TrialPlan
from nightloom.artifacts.data import Snapshot
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.frames import TOKENS, get_frame
from nightloom.artifacts.models import BaseModelContent, BaseModelManifest, BaseModelProvenance
from nightloom.artifacts.prompts import Prompt, PromptContent, PromptMessage, PromptProvenance
from nightloom.artifacts.reading import read_tokens
from nightloom.artifacts.rewriting import rewrite_blob
from nightloom.base_models.freeze import run_describe
from nightloom.core.errors import InputError
from nightloom.core.packages import installed_packages
from nightloom.core.store import ObjectStore
from nightloom.rendering import encode
from nightloom.rendering.encode import encode_snapshot, identify_tokens, read_encoded
from nightloom.rendering.tokenizer import load_tokenizer
from nightloom.rendering.tokens import TokenEncoder
from nightloom.trials.train import train_trial

from tests.factories.trials import ROWS, publish_rows

pytestmark = pytest.mark.torch

NINE = [*ROWS, ("where is my refund", "billing")]
TEN = [*NINE, ("I cannot log in", "login")]
PLAN = TrialPlan(trainer="trl", method="lora", lora={"r": 4}, settings={"max_steps": 1}, seed=3)


@pytest.fixture
def blueprint(store: ObjectStore, tiny_base: str, plan_trial: Callable[..., str]) -> BlueprintSpec:
    """A blueprint on eight rows in one shard."""
    return store.load(Blueprint, plan_trial(tiny_base, PLAN)).content


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of encoded conversations of each call."""
    calls: list[int] = []
    original = TokenEncoder.encode

    def count(self: TokenEncoder, conversations: Any) -> Any:
        calls.append(len(conversations))
        return original(self, conversations)

    monkeypatch.setattr(TokenEncoder, "encode", count)
    return calls


def on(blueprint: BlueprintSpec, snapshot: str) -> BlueprintSpec:
    return blueprint.model_copy(update={"snapshot": snapshot})


def put_base(store: ObjectStore, folder: Path) -> str:
    return store.publish(
        BaseModelManifest(
            content=BaseModelContent(files=put_folder(store, folder)), provenance=BaseModelProvenance(source="tiny")
        )
    ).id


def test_ids_encode_the_conversation(store: ObjectStore, blueprint: BlueprintSpec, tiny_model: Path) -> None:
    tokens = encode_snapshot(store, blueprint)
    row = read_tokens(store, tokens, "train").row(0, named=True)
    decode = load_tokenizer(tiny_model).decode
    assert row["row_id"] == "000"
    assert decode(row["input_ids"]) == '<|user|>the invoice is wrong<|end|><|assistant|>{"team": "billing"}<|end|>'
    learned = [token for token, is_learned in zip(row["input_ids"], row["learned"], strict=True) if is_learned]
    assert decode(learned) == '{"team": "billing"}<|end|>'


def test_examples_and_tokens_are_counted(store: ObjectStore, blueprint: BlueprintSpec) -> None:
    result = encode_snapshot(store, blueprint).result
    frame = get_frame(store, result.frames[0], TOKENS)
    assert result.examples == 8
    assert result.tokens == sum(map(len, frame["input_ids"].to_list()))
    assert result.learned_tokens == sum(map(sum, frame["learned"].to_list()))
    assert 8 < result.learned_tokens < result.tokens


def test_second_trial_encodes_nothing(
    store: ObjectStore, tiny_base: str, plan_trial: Callable[..., str], encoded: list[int]
) -> None:
    for seed in (3, 4):
        train_trial(store, plan_trial(tiny_base, PLAN.model_copy(update={"seed": seed})), 0)
    assert encoded == [8]


def test_shards_are_encoded_in_order(
    store: ObjectStore, blueprint: BlueprintSpec, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "_AT_ONCE", 2)
    tokens = encode_snapshot(store, on(blueprint, publish_rows(store, NINE, shard_rows=4)))
    assert [len(get_frame(store, blob, TOKENS)) for blob in tokens.result.frames] == [4, 4, 1]
    assert encoded == [2, 2, 2, 2, 1]
    assert read_tokens(store, tokens, "train")["row_id"].to_list() == [f"{n:03d}" for n in range(9)]
    assert read_tokens(store, tokens, "test").is_empty()


def test_unchanged_shard_is_not_encoded_again(store: ObjectStore, blueprint: BlueprintSpec, encoded: list[int]) -> None:
    parent = publish_rows(store, NINE, shard_rows=4)
    first = encode_snapshot(store, on(blueprint, parent))
    second = encode_snapshot(store, on(blueprint, publish_rows(store, TEN, shard_rows=4, parent=parent)))
    assert encoded == [4, 4, 1, 2]
    assert second.result.frames[:2] == first.result.frames[:2]
    assert (first.result.examples, second.result.examples) == (9, 10)


def test_lost_parent_snapshot_costs_only_time(
    store: ObjectStore, blueprint: BlueprintSpec, s3: Any, encoded: list[int]
) -> None:
    parent = publish_rows(store, NINE, shard_rows=4)
    encode_snapshot(store, on(blueprint, parent))
    after = on(blueprint, publish_rows(store, TEN, shard_rows=4, parent=parent))
    s3.objects = {key: data for key, data in s3.objects.items() if parent not in key}
    assert encode_snapshot(store, after).result.examples == 10
    assert encoded == [4, 4, 1, 4, 4, 2]


def test_killed_encoding_publishes_nothing(
    store: ObjectStore, blueprint: BlueprintSpec, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint = on(blueprint, publish_rows(store, NINE, shard_rows=4))
    put, written = encode.put_frame, []

    def die_at_the_second(*arguments: Any) -> str:
        if written:
            raise KeyboardInterrupt
        written.append(put(*arguments))
        return written[0]

    with monkeypatch.context() as patch:
        patch.setattr(encode, "put_frame", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            encode_snapshot(store, blueprint)
    assert not any("/tokens/" in key for key in s3.objects)
    assert encode_snapshot(store, blueprint).result.frames[0] == written[0]


def change_prompt(store: ObjectStore, blueprint: BlueprintSpec, folder: Path) -> dict[str, object]:
    content = PromptContent(messages=(PromptMessage(role="user", content="Ticket: {{ text }}"),))
    prompt = store.publish(Prompt(content=content, provenance=PromptProvenance(name="triage/2"))).id
    return {"task": blueprint.task.model_copy(update={"prompt": prompt})}


def change_output(store: ObjectStore, blueprint: BlueprintSpec, folder: Path) -> dict[str, object]:
    return {"task": blueprint.task.model_copy(update={"output": "text"})}


def change_template(store: ObjectStore, blueprint: BlueprintSpec, folder: Path) -> dict[str, object]:
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text(encoding="utf-8").replace("message.content", "message.content|trim"), "utf-8")
    return {"base": put_base(store, folder)}


def change_tokenizer(store: ObjectStore, blueprint: BlueprintSpec, folder: Path) -> dict[str, object]:
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["normalizer"] = {"type": "NFC"}
    path.write_text(json.dumps(document), encoding="utf-8")
    return {"base": put_base(store, folder)}


def change_tokenizer_config(store: ObjectStore, blueprint: BlueprintSpec, folder: Path) -> dict[str, object]:
    path = folder / "tokenizer_config.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, "model_max_length": 9}), encoding="utf-8")
    return {"base": put_base(store, folder)}


def change_arguments(store: ObjectStore, blueprint: BlueprintSpec, folder: Path) -> dict[str, object]:
    return {"task": blueprint.task.model_copy(update={"chat_template_kwargs": {"enable_thinking": False}})}


@pytest.mark.parametrize(
    "change",
    [change_arguments, change_prompt, change_output, change_template, change_tokenizer, change_tokenizer_config],
)
def test_tokens_key_covers_all_inputs(
    store: ObjectStore,
    blueprint: BlueprintSpec,
    tiny_model: Path,
    tmp_path: Path,
    encoded: list[int],
    change: Callable[..., dict[str, object]],
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    first = encode_snapshot(store, blueprint)
    changed = blueprint.model_copy(update=change(store, blueprint, folder))
    assert encode_snapshot(store, changed).id != first.id
    assert encode_snapshot(store, blueprint) == first
    assert encoded == [8, 8]


def test_bases_share_ids_of_one_tokenizer(
    store: ObjectStore, blueprint: BlueprintSpec, tiny_model: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 128}), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"other weights")
    (folder / "model.safetensors.index.json").write_text("{}", encoding="utf-8")
    other = blueprint.model_copy(update={"base": put_base(store, folder)})
    assert other.base != blueprint.base
    assert encode_snapshot(store, other).id == encode_snapshot(store, blueprint).id


def test_erased_row_is_not_read(store: ObjectStore, blueprint: BlueprintSpec) -> None:
    blob = encode_snapshot(store, blueprint).result.frames[0]
    assert rewrite_blob(store, blob, "tokens", ["003"]) == 1
    training, _ = read_encoded(store, blueprint)
    assert "003" not in training["row_id"]
    assert len(training) == 7


def test_snapshot_with_erased_training_is_refused(store: ObjectStore, blueprint: BlueprintSpec) -> None:
    blueprint = on(blueprint, publish_rows(store, ROWS[:1]))
    shard = store.load(Snapshot, blueprint.snapshot).provenance.files[0].sha256
    rewrite_blob(store, shard, "examples", ["000"])
    with pytest.raises(InputError, match="has no training rows"):
        read_encoded(store, blueprint)


def test_log_shows_counts_without_text(
    store: ObjectStore, blueprint: BlueprintSpec, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "nightloom"):
        encode_snapshot(store, blueprint)
    assert "8 examples in 1 shards, 0 shards reused" in caplog.messages
    assert not any("invoice" in line or "billing" in line for line in caplog.messages)


CHANGED_ANSWERS = {
    "trimmed": ("{{ m.content | trim }}", (" billing", "login \n")),
    "without thought": ("{{ m.content.split('</think>')[-1] }}", ("<think>money</think>billing", "</think>")),
    "in small letters": ("{{ m.content | lower }}", ("Billing", "LOGIN")),
    "cut": ("{{ m.content[:12] }}", ("we look into it", "please write to us")),
}


@pytest.mark.parametrize(("content", "changed"), CHANGED_ANSWERS.values(), ids=CHANGED_ANSWERS.keys())
def test_changed_answers_are_counted(
    store: ObjectStore,
    blueprint: BlueprintSpec,
    tiny_model: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: str,
    changed: tuple[str, str],
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    template = f"{{% for m in messages %}}<|{{{{ m.role }}}}|>{content}<|end|>{{% endfor %}}"
    asking = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    (folder / "chat_template.jinja").write_text(template + asking, "utf-8")
    # The text has the answer too: only what is learned counts.
    rows = [(f"is it {answer}", answer) for answer in (*changed, "billing")]
    spec = on(blueprint, publish_rows(store, rows)).model_copy(
        update={"base": put_base(store, folder), "task": blueprint.task.model_copy(update={"output": "text"})}
    )
    assert encode_snapshot(store, spec).result.changed_answers == 2
    assert any(line.startswith("in 2 of 3 examples the chat template does not write the") for line in caplog.messages)


def skew(folder: Path, opening: str) -> Path:
    """Change what a template opens an asked answer with."""
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text(encoding="utf-8").replace("'<|assistant|>' -", f"{opening} -"), "utf-8")
    return folder


def test_skew_of_some_examples_is_logged(
    store: ObjectStore,
    blueprint: BlueprintSpec,
    tiny_model: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    opening = "'<|assistant|>' + ('Sure' if 'password' in messages[-1].content else '')"
    folder = skew(shutil.copytree(tiny_model, tmp_path / "model"), opening)
    mixed = publish_rows(store, [*ROWS[:1], ("my password is lost", "login")])
    encode_snapshot(store, on(blueprint, mixed).model_copy(update={"base": put_base(store, folder)}))
    assert any(line.startswith("in 1 of 2 examples the chat template renders") for line in caplog.messages)


def test_skew_of_every_example_is_refused(
    store: ObjectStore, blueprint: BlueprintSpec, tiny_model: Path, tmp_path: Path
) -> None:
    folder = skew(shutil.copytree(tiny_model, tmp_path / "model"), "'<|assistant|>Sure'")
    with pytest.raises(InputError, match=r"in 8 of 8 examples the chat template .* nothing could be promoted"):
        encode_snapshot(store, blueprint.model_copy(update={"base": put_base(store, folder)}))


def test_tokens_are_found_by_blueprint(
    store: ObjectStore, blueprint: BlueprintSpec, tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightloom.base_models.freeze.open_store", lambda: store)
    tokens = encode_snapshot(store, blueprint)
    read = run_describe(tiny_base)
    packages = installed_packages()
    assert identify_tokens(blueprint, str(read["tokenizer"]), str(read["template"]), packages) == tokens.key
