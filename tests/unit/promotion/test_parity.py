"""Parity: a valid model passes; every planted fault fails a check."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.frames import TOKENS, get_frame, put_frame
from nightloom.artifacts.models import Adapter, BaseModelContent, BaseModelManifest, BaseModelProvenance, ModelRef
from nightloom.artifacts.prompts import Prompt
from nightloom.artifacts.results import Parity
from nightloom.artifacts.training import Tokens
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.engines import transformers
from nightloom.promotion.parity import prove_parity, sample_examples
from nightloom.promotion.parity_checks import TOLERANCES, Answer, Reference, check_answers, check_merge
from nightloom.prompts.templates import render_prompt
from nightloom.rendering.chat import encode_chats
from nightloom.rendering.encode import encode_snapshot
from transformers.utils.logging import warning_once

from tests.factories.adapters import MakeAdapter

pytestmark = [
    pytest.mark.torch,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:.*tie_word_embeddings.*", "ignore:.*save_embedding_layers.*"),
]

Prove = Callable[..., Parity]


@pytest.fixture
def prove(store: ObjectStore, blueprint: Blueprint) -> Prove:
    """Prove parity of an adapter of the blueprint's base model."""

    def prove(adapter: Adapter, tokens: Tokens | None = None) -> Parity:
        spec = blueprint.content
        model = ModelRef(base=adapter.content.base, adapter=adapter.id)
        encoded = tokens or encode_snapshot(store, spec.model_copy(update={"base": model.base}))
        return prove_parity(store, model, spec.task, spec.max_new_tokens, encoded)

    return prove


def results(parity: Parity) -> dict[str, bool]:
    return {check.name: check.passed for check in parity.result.checks}


def test_valid_adapter_passes_all_checks(make_adapter: MakeAdapter, prove: Prove) -> None:
    parity = prove(make_adapter())
    assert results(parity) == {"ids": True, "adapter": True, "merge": True, "answers": True}
    assert parity.mismatch is None
    assert {check.n for check in parity.result.checks} == {32}
    merge = parity.result.checks[2]
    assert 0 < merge.value < merge.tolerance == TOLERANCES["float32"]


def test_proof_calls_transformers_as_meant(
    make_adapter: MakeAdapter, prove: Prove, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    warning_once.cache_clear()
    prove(make_adapter())
    assert [record.name for record in caplog.records if not record.name.startswith("nightloom")] == []


def test_trained_tied_embeddings_pass(make_adapter: MakeAdapter, prove: Prove) -> None:
    parity = prove(make_adapter(modules_to_save=["embed_tokens"], ensure_weight_tying=True))
    assert results(parity) == {"ids": True, "adapter": True, "merge": True, "answers": True}


def test_full_finetune_needs_no_merge(make_adapter: MakeAdapter, prove: Prove) -> None:
    assert results(prove(make_adapter(method="full"))) == {"ids": True, "adapter": True, "answers": True}


def test_proof_is_cached(make_adapter: MakeAdapter, prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prove(adapter := make_adapter())
    monkeypatch.setattr("nightloom.promotion.parity.load_model", None)
    assert prove(adapter) == first


def test_adapter_without_effect_fails(make_adapter: MakeAdapter, prove: Prove) -> None:
    parity = prove(make_adapter(size=0))
    assert results(parity) == {"ids": True, "adapter": False}
    assert parity.mismatch == (
        "the adapter changes no logit of its base model by more than 0.001 in 32 examples: 0 at most"
    )


def test_wrong_merge_fails(make_adapter: MakeAdapter, prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, merge = make_adapter(size=1.0), transformers.merge_adapter

    def merge_at_half_strength(model: Any, folder: Path) -> Any:
        before = {name: weight.clone() for name, weight in model.named_parameters()}
        merged = merge(model, folder)
        with torch.no_grad():
            for name, weight in merged.named_parameters():
                weight.lerp_(before[name], 0.5)
        return merged

    monkeypatch.setattr(transformers, "merge_adapter", merge_at_half_strength)
    parity = prove(adapter)
    assert results(parity) == {"ids": True, "adapter": True, "merge": False, "answers": False}
    assert str(parity.mismatch).startswith("logits of the merged model differ from the adapter's by ")
    assert str(parity.mismatch).endswith("of the largest in 32 examples, more than the 0.0001 allowed for float32")
    assert parity.result.checks[3].value > 0


def test_penalty_in_answers_fails(make_adapter: MakeAdapter, prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    make_greedy = transformers.make_greedy

    def leave_a_penalty(model: Any, tokenizer: Any) -> Any:
        make_greedy(model, tokenizer).generation_config.repetition_penalty = 3.0
        return model

    for module in ("engines.transformers", "promotion.parity"):
        monkeypatch.setattr(f"nightloom.{module}.make_greedy", leave_a_penalty)
    parity = prove(make_adapter())
    assert results(parity) == {"ids": True, "adapter": True, "merge": True, "answers": False}
    assert str(parity.mismatch).startswith("answers leave out the likeliest token in ")


@pytest.mark.parametrize(
    "lora",
    [
        pytest.param({"target_modules": ["q_proj", "lm_head"]}, id="output layer"),
        pytest.param({"target_modules": ["embed_tokens"]}, id="embeddings"),
        pytest.param({"target_modules": r".*\.(v_proj|embed_\w+)"}, id="embeddings by a pattern"),
        pytest.param({"target_modules": r".*head", "use_rslora": True}, id="output layer by a pattern"),
    ],
)
def test_adapter_of_tied_layer_fails(make_adapter: MakeAdapter, prove: Prove, lora: dict[str, Any]) -> None:
    parity = prove(make_adapter(**lora))
    assert results(parity)["merge"] is False
    assert "which the base model ties to another layer; train it with modules_to_save" in str(parity.mismatch)


def test_different_batch_answers_fail(make_adapter: MakeAdapter, prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, complete = make_adapter(), transformers.TransformersEngine.complete

    def answer_the_first_for_the_second(self: Any, prompts: list[list[int]], max_new_tokens: int) -> Any:
        return complete(self, [prompts[0], prompts[0], *prompts[2:]], max_new_tokens)

    monkeypatch.setattr(transformers.TransformersEngine, "complete", answer_the_first_for_the_second)
    parity = prove(adapter)
    assert results(parity) == {"ids": True, "adapter": True, "merge": True, "answers": False}
    assert parity.mismatch == (
        "answers of the engine's batch differ from those of the adapter asked one by one in 1 of 32 examples"
    )


@pytest.mark.parametrize(
    ("lead", "passed", "value", "words"),
    [
        (4e-2, True, 0, "in 1 of 2 examples; in 1 more the two likeliest tokens were closer than 0.05"),
        (6e-2, False, 1, "1 of 2"),
    ],
    ids=["near", "clear"],
)
def test_near_tie_of_tokens_is_tolerated(lead: float, passed: bool, value: int, words: str) -> None:
    answers = [Answer([5, 6, 1], [0.9, lead, 0.9]), Answer([7, 1], [0.9, 0.9])]
    reference = Reference(base_logits=None, logits=None, answers=answers, dtype="bfloat16")
    check = check_answers(reference, [[5, 8, 8, 1], [7, 1]])
    assert (check.passed, check.value, words in check.message) == (passed, value, True)


@pytest.mark.parametrize(("tied", "passed"), [(None, True), ("lm_head", False)], ids=["rounding", "a tied layer"])
def test_rounding_excuses_no_tied_layer(tied: str | None, passed: bool) -> None:
    logits = torch.tensor([[10.0, 5.0]])
    answers = [Answer([0], [0.5])]
    reference = Reference(base_logits=None, logits=logits, answers=answers, dtype="bfloat16", tied=tied)
    assert check_merge(reference, logits * 1.01).passed is passed


def test_longer_answer_is_not_tolerated() -> None:
    reference = Reference(base_logits=None, logits=None, answers=[Answer([5, 1], [0.9, 0.0])], dtype="float32")
    assert not check_answers(reference, [[5, 1, 7]]).passed
    assert check_answers(reference, [[5, 8]]).passed


def test_inconsistent_chat_template_fails(
    store: ObjectStore, tiny_model: Path, make_adapter: MakeAdapter, prove: Prove, tmp_path: Path
) -> None:
    opening = "'<|assistant|>' + ('Well: ' if 'invoice' in messages[-1].content else '')"
    base = change_template(store, tiny_model, tmp_path, "'<|assistant|>'", opening)
    adapter = make_adapter()
    moved = store.publish(adapter.model_copy(update={"content": adapter.content.model_copy(update={"base": base})}))
    parity = prove(moved)
    assert results(parity)["ids"] is False
    assert parity.mismatch == (
        "the token ids before the answer differ between training and inference in 7 of 32 examples"
    )


def test_tokens_of_another_template_fail(
    store: ObjectStore, blueprint: Blueprint, make_adapter: MakeAdapter, prove: Prove
) -> None:
    tokens = encode_snapshot(store, blueprint.content)
    frames = [get_frame(store, blob, TOKENS) for blob in tokens.result.frames]
    # As a template has it that begins with a token of its own.
    frames[1] = frames[1].with_columns(
        input_ids=pl.concat_list(pl.lit([1], TOKENS["input_ids"]), "input_ids"),
        learned=pl.concat_list(pl.lit([False], TOKENS["learned"]), "learned"),
    )
    blobs = tuple(put_frame(store, frame, TOKENS) for frame in frames)
    other = tokens.model_copy(update={"result": tokens.result.model_copy(update={"frames": blobs})})
    parity = prove(make_adapter(), other)
    assert results(parity) == {"ids": False, "adapter": True, "merge": True, "answers": True}
    assert 0 < parity.result.checks[0].value < 32


def test_adapter_without_matching_module_is_refused(
    store: ObjectStore, tiny_model: Path, make_adapter: MakeAdapter, prove: Prove, tmp_path: Path
) -> None:
    adapter = make_adapter(target_modules=["q_proj"])
    (config,) = [file for file in adapter.content.files if file.path == "adapter_config.json"]
    text = store.get_blob(config.sha256).decode().replace("q_proj", "query")
    changed = config.model_copy(update={"sha256": store.put_blob(text.encode()), "size_bytes": len(text)})
    files = tuple(changed if file is config else file for file in adapter.content.files)
    broken = adapter.model_copy(update={"content": adapter.content.model_copy(update={"files": files})})
    with pytest.raises(InputError, match="does not fit its base model: Target modules"):
        prove(store.publish(broken))


def test_sample_is_fixed(store: ObjectStore, blueprint: Blueprint, tiny_model: Path) -> None:
    sampled = sample_examples(store, encode_snapshot(store, blueprint.content))
    assert sampled["was_learned"].to_list() == [False] * 4 + [True] * 28
    assert sampled["sort_key"][4:].is_sorted()
    prompt = store.load(Prompt, blueprint.content.task.prompt).content
    chats = [render_prompt(prompt, text) for text in sampled["text"]]
    assert sampled["asked"].to_list() == encode_chats(transformers.load_tokenizer(tiny_model), chats)


def change_template(store: ObjectStore, model: Path, folder: Path, old: str, new: str) -> str:
    """Publish a base model whose chat template has another generation prompt."""
    import shutil

    changed = Path(shutil.copytree(model, folder / "changed"))
    path = changed / "chat_template.jinja"
    before, asking = path.read_text(encoding="utf-8").rsplit("{%- if add_generation_prompt -%}", 1)
    assert old in asking
    path.write_text(f"{before}{{%- if add_generation_prompt -%}}{asking.replace(old, new)}", encoding="utf-8")
    files = put_folder(store, changed)
    provenance = BaseModelProvenance(source="changed")
    return store.publish(BaseModelManifest(content=BaseModelContent(files=files), provenance=provenance)).id
