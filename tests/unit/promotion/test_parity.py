"""Parity: a sound model passes; of each fault that is planted one check tells, and nothing is promoted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
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
from nightloom.promotion.parity import TOLERANCES, _Answer, _check_answers, _Reference, draw_examples, prove_parity
from nightloom.prompts.templates import render_prompt
from nightloom.rendering.chat import encode_chats
from nightloom.rendering.encode import encode_snapshot

from tests.factories.adapters import MakeAdapter

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("one_thread")]

Prove = Callable[..., Parity]


@pytest.fixture
def prove(store: ObjectStore, blueprint: Blueprint) -> Prove:
    """Proves an adapter of the blueprint's base model."""

    def prove(adapter: Adapter, tokens: Tokens | None = None) -> Parity:
        spec = blueprint.content
        model = ModelRef(base=adapter.content.base, adapter=adapter.id)
        encoded = tokens or encode_snapshot(store, spec.model_copy(update={"base": model.base}))
        return prove_parity(store, model, spec.task, spec.max_new_tokens, encoded)

    return prove


def told(parity: Parity) -> dict[str, bool]:
    return {check.name: check.passed for check in parity.result.checks}


def test_a_sound_adapter_is_one_model_everywhere(make_adapter: MakeAdapter, prove: Prove) -> None:
    parity = prove(make_adapter())
    assert told(parity) == {"ids": True, "adapter": True, "merge": True, "answers": True}
    assert parity.mismatch is None
    assert {check.n for check in parity.result.checks} == {32}
    merge = parity.result.checks[2]
    assert 0 < merge.value < merge.tolerance == TOLERANCES["float32"]


def test_embeddings_that_were_trained_and_tied_are_too(make_adapter: MakeAdapter, prove: Prove) -> None:
    parity = prove(make_adapter(modules_to_save=["embed_tokens"], ensure_weight_tying=True))
    assert told(parity) == {"ids": True, "adapter": True, "merge": True, "answers": True}


def test_a_model_tuned_whole_has_nothing_to_merge(make_adapter: MakeAdapter, prove: Prove) -> None:
    assert told(prove(make_adapter(method="full"))) == {"ids": True, "adapter": True, "answers": True}


def test_what_was_proved_is_found_again(
    make_adapter: MakeAdapter, prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prove(adapter := make_adapter())
    monkeypatch.setattr("nightloom.promotion.parity.load_model", None)
    assert prove(adapter) == first


def test_an_adapter_without_effect_is_told(make_adapter: MakeAdapter, prove: Prove) -> None:
    parity = prove(make_adapter(size=0))
    assert told(parity) == {"ids": True, "adapter": False}
    assert parity.mismatch == (
        "the adapter changes no logit of its base model by more than 0.001 in 32 examples: 0 at most"
    )


def test_a_merge_that_is_off_is_told(make_adapter: MakeAdapter, prove: Prove, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, merge = make_adapter(size=1.0), transformers.merge_adapter

    def merge_at_half_strength(model: Any, folder: Path) -> Any:
        import torch

        before = {name: weight.clone() for name, weight in model.named_parameters()}
        merged = merge(model, folder)
        with torch.no_grad():
            for name, weight in merged.named_parameters():
                weight.lerp_(before[name], 0.5)
        return merged

    monkeypatch.setattr(transformers, "merge_adapter", merge_at_half_strength)
    parity = prove(adapter)
    assert told(parity) == {"ids": True, "adapter": True, "merge": False, "answers": False}
    assert str(parity.mismatch).startswith("logits of the merged model differ from the adapter's by ")
    assert str(parity.mismatch).endswith("of the largest in 32 examples, more than the 0.0001 allowed for float32")
    assert parity.result.checks[3].value > 0


def test_an_engine_whose_batches_answer_otherwise_is_told(
    make_adapter: MakeAdapter, prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, complete = make_adapter(), transformers.TransformersEngine.complete

    def answer_the_first_for_the_second(self: Any, prompts: list[list[int]], max_new_tokens: int) -> Any:
        return complete(self, [prompts[0], prompts[0], *prompts[2:]], max_new_tokens)

    monkeypatch.setattr(transformers.TransformersEngine, "complete", answer_the_first_for_the_second)
    parity = prove(adapter)
    assert told(parity) == {"ids": True, "adapter": True, "merge": True, "answers": False}
    assert parity.mismatch == (
        "answers differ between the engine's batch and the adapter asked one by one in 1 of 32 examples"
    )


@pytest.mark.parametrize(
    ("lead", "passed", "value", "told"),
    [
        (4e-2, True, 0, "in 1 of 2 examples; in 1 more the two likeliest tokens were nearer than 0.05"),
        (6e-2, False, 1, "1 of 2"),
    ],
    ids=["near", "clear"],
)
def test_another_answer_is_forgiven_where_the_likeliest_tokens_are_near(
    lead: float, passed: bool, value: int, told: str
) -> None:
    answers = [_Answer([5, 6, 1], [0.9, lead, 0.9]), _Answer([7, 1], [0.9, 0.9])]
    reference = _Reference(base_logits=None, logits=None, answers=answers, dtype="bfloat16")
    check = _check_answers(reference, [[5, 8, 8, 1], [7, 1]])
    assert (check.passed, check.value, told in check.sentence) == (passed, value, True)


def test_an_answer_that_goes_on_is_not_forgiven() -> None:
    reference = _Reference(base_logits=None, logits=None, answers=[_Answer([5, 1], [0.9, 0.0])], dtype="float32")
    assert not _check_answers(reference, [[5, 1, 7]]).passed
    assert _check_answers(reference, [[5, 8]]).passed


def test_a_template_that_asks_otherwise_than_it_writes_is_told(
    store: ObjectStore, tiny_model: Path, make_adapter: MakeAdapter, prove: Prove, tmp_path: Path
) -> None:
    base = change_template(store, tiny_model, tmp_path, "'<|assistant|>'", "'<|assistant|>' + 'Well: '")
    adapter = make_adapter()
    moved = store.publish(adapter.model_copy(update={"content": adapter.content.model_copy(update={"base": base})}))
    parity = prove(moved)
    assert told(parity)["ids"] is False
    assert parity.mismatch == (
        "the ids before the answer differ between training and what evaluation and batch ask in 32 of 32 examples"
    )


def test_ids_of_another_template_are_told(
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
    assert told(parity) == {"ids": False, "adapter": True, "merge": True, "answers": True}
    assert 0 < parity.result.checks[0].value < 32


def test_an_adapter_that_fits_no_module_is_bad_input(
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


def test_the_sample_is_what_a_model_was_shown_and_always_the_same(
    store: ObjectStore, blueprint: Blueprint, tiny_model: Path
) -> None:
    drawn = draw_examples(store, encode_snapshot(store, blueprint.content))
    assert drawn["was_learned"].to_list() == [False] * 4 + [True] * 28
    assert drawn["lot"][4:].is_sorted()
    prompt = store.load(Prompt, blueprint.content.task.prompt).content
    chats = [render_prompt(prompt, text) for text in drawn["text"]]
    assert drawn["asked"].to_list() == encode_chats(transformers.load_tokenizer(tiny_model), chats)


def change_template(store: ObjectStore, model: Path, folder: Path, old: str, new: str) -> str:
    """Publish a base model whose chat template differs in what asks for an answer."""
    import shutil

    changed = Path(shutil.copytree(model, folder / "changed"))
    path = changed / "chat_template.jinja"
    before, asking = path.read_text(encoding="utf-8").rsplit("{%- if add_generation_prompt -%}", 1)
    assert old in asking
    path.write_text(f"{before}{{%- if add_generation_prompt -%}}{asking.replace(old, new)}", encoding="utf-8")
    files = put_folder(store, changed)
    provenance = BaseModelProvenance(source="changed")
    return store.publish(BaseModelManifest(content=BaseModelContent(files=files), provenance=provenance)).id
