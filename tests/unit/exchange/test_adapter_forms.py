"""Forms of adapters: what peft saves is imported and served as it is, or refused with the reason."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from nightloom.artifacts.folders import fetch_model, put_folder
from nightloom.artifacts.models import Adapter, BaseModelContent, BaseModelManifest, BaseModelProvenance
from nightloom.artifacts.results import Parity
from nightloom.base_models.loading import load_model
from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.engines.transformers import open_transformers
from nightloom.exchange.cards import write_card
from nightloom.exchange.exporting import export_model
from nightloom.exchange.lineage import read_lineage
from nightloom.registry.database import Database
from nightloom.registry.questions import list_children

from tests.factories.adapters import MakeAdapter

from .conftest import Adopt, Export, change_config

pytestmark = [
    pytest.mark.torch,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`", "ignore:.*tie_word_embeddings.*"),
]

LINEAR: dict[str, Any] = {"r": 4, "target_modules": ["q_proj", "up_proj"], "task_type": "CAUSAL_LM"}


def save(base: Path, folder: Path, *, noise: float = 0.3, tokens: int | None = None, **lora: Any) -> Path:
    """Save an adapter as peft does, its trained weights moved by noise; `tokens` resizes the base model before."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    model = load_model(base)
    if tokens:
        model.resize_token_embeddings(tokens, mean_resizing=False)
    with ignore_v6_deprecations():
        tuned = get_peft_model(model, LoraConfig(**{**LINEAR, **lora}))
    with torch.no_grad():
        for weight in tuned.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * noise)
    tuned.save_pretrained(folder, save_embedding_layers=bool(tokens) or "auto")
    return folder


FORMS = {
    "no task type": {"task_type": None},
    "ranks of all modules": {"r": 64, "rank_pattern": {"q_proj": 2, "up_proj": 6}},
    "ranks by layer": {"rank_pattern": {r"layers.0.self_attn.q_proj": 7}, "alpha_pattern": {"up_proj": 3}},
    "DoRA": {"use_dora": True},
    "rank-stabilised": {"use_rslora": True, "lora_alpha": 2},
    "one layer": {"layers_to_transform": [0], "layers_pattern": "layers"},
    "a pattern": {"target_modules": r".*(k|o)_proj"},
    "some left out": {"target_modules": "all-linear", "exclude_modules": ["down_proj", "gate_proj"]},
    "biases": {"bias": "lora_only"},
    "a norm": {"modules_to_save": ["input_layernorm"]},
    "some tokens": {"trainable_token_indices": [70, 71, 99]},
    "an output layer of its own": {"modules_to_save": ["lm_head"]},
    "a parameter": {"target_modules": [], "target_parameters": ["mlp.down_proj.weight"]},
    "an orthogonal start": {"init_lora_weights": "orthogonal"},
    "a whole block": {"modules_to_save": ["mlp"]},
}


@pytest.mark.parametrize("lora", FORMS.values(), ids=FORMS)
def test_adapter_that_peft_saved_is_imported(
    store: ObjectStore, registry: Database, tiny_model: Path, tmp_path: Path, adopt: Adopt, lora: dict[str, Any]
) -> None:
    adapter, notes = adopt(save(tiny_model, tmp_path / "tuned", **lora))
    assert notes == []
    (proof,) = list_children(registry, adapter.id, "parity", "model.adapter")
    parity = store.load(Parity, proof)
    assert (parity.mismatch, [check.name for check in parity.result.checks]) == (None, ["adapter", "merge", "answers"])


UNTRAINED = {
    "matrices": {},
    "embeddings": {"target_modules": ["embed_tokens"]},
    "DoRA": {"use_dora": True},
    "a saved module": {"modules_to_save": ["norm"]},
    "some tokens": {"trainable_token_indices": [70, 71]},
}


@pytest.mark.parametrize("lora", UNTRAINED.values(), ids=UNTRAINED)
def test_untrained_adapter_is_refused(tiny_model: Path, tmp_path: Path, adopt: Adopt, lora: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="it would not be served as it was trained: the adapter changes no logit"):
        adopt(save(tiny_model, tmp_path / "tuned", noise=0, **lora))


TIED = {
    "output layer": {"target_modules": ["lm_head"]},
    "embeddings": {"target_modules": ["embed_tokens", "v_proj"]},
    "embeddings by a pattern": {"target_modules": r"model\.embed_.*"},
}


@pytest.mark.parametrize("lora", TIED.values(), ids=TIED)
def test_adapter_merged_into_another_model_is_refused(
    store: ObjectStore,
    registry: Database,
    make_adapter: MakeAdapter,
    tiny_model: Path,
    tmp_path: Path,
    adopt: Adopt,
    export: Export,
    lora: dict[str, Any],
) -> None:
    with pytest.raises(InputError, match=r"logits of the merged model differ .*, which the base model ties to another"):
        adopt(save(tiny_model, tmp_path / "tuned", **lora))
    adapter = make_adapter(**lora)
    with pytest.raises(InputError, match=r"cannot be merged: logits .*; export it without --merged"):
        export(adapter, merged=True)
    assert not (tmp_path / "out").exists()
    assert "adapter_model.safetensors" in export(adapter).files


def test_adapter_of_more_tokens_is_refused(tiny_model: Path, tmp_path: Path, adopt: Adopt) -> None:
    with pytest.raises(InputError, match="was trained on a base model with 305 tokens, and this one has 300"):
        adopt(save(tiny_model, tmp_path / "tuned", tokens=305))


def test_saved_embeddings_of_fewer_tokens_are_refused(tiny_model: Path, tmp_path: Path, adopt: Adopt) -> None:
    with pytest.raises(InputError, match=r"with 290 tokens, and this one has 300 .*name it with --base"):
        adopt(save(tiny_model, tmp_path / "tuned", tokens=290, modules_to_save=["embed_tokens"]))


def test_adapter_of_wider_model_is_refused(tmp_path: Path, adopt: Adopt) -> None:
    from nightloom.base_models.starter import StarterSettings, pretrain_starter

    (other := tmp_path / "other").mkdir()
    settings = StarterSettings(
        vocabulary=300, hidden=48, layers=2, heads=2, inner=64, context=64, steps=1, rows=2, row_tokens=32
    )
    pretrain_starter(settings, other, report=lambda line: None)
    with pytest.raises(InputError, match=r"weight \S+ has shape 4 x 48, but \S+ and the base model need 4 x 32"):
        adopt(save(other, tmp_path / "tuned"))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("model.layers.", "model.language_model.layers."),
        ("base_model.model.", "base_model.model._orig_mod."),
        (".weight", ".default.weight"),
        ("base_model.model.", ""),
    ],
    ids=["of a model with pictures", "compiled", "named adapter", "plain"],
)
def test_weights_of_other_names_are_reported(
    tiny_model: Path, tmp_path: Path, adopt: Adopt, name: str, other: str
) -> None:
    from safetensors.torch import load_file, save_file

    folder = save(tiny_model, tmp_path / "tuned")
    weights = load_file(path := folder / "adapter_model.safetensors")
    save_file({key.replace(name, other): weight for key, weight in weights.items()}, path)
    with pytest.raises(InputError, match=rf"fit no module of its base model, such as \S*{other}\S*, which has base_"):
        adopt(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_type": "SEQ_CLS"}, "is of 'LORA for SEQ_CLS'"),
        ({"target_modules": ["q_proj", "up_proj", "down_proj"]}, "2 weights of the adapter are missing, such as "),
        ({"loraplus_scale": 0.5, "peft_version": "0.99"}, r"sets loraplus_scale, which peft .*; install peft 0\.99"),
        (
            {"modules_to_save": ["norm"]},
            "3 weights of the adapter are missing, such as ",
        ),
        ({"alora_invocation_tokens": [5]}, "works? only after certain tokens"),
        ({"layers_to_transform": [7]}, "Target modules .* not found .*; use a valid copy, or name their base model"),
        ({"peft_type": "LOHA"}, "is of 'LOHA for CAUSAL_LM'"),
    ],
    ids=[
        *("a classifier", "more modules", "a setting of a later peft", "a saved module", "an invocation"),
        *("a layer that is not there", "another method"),
    ],
)
def test_unfit_setting_is_refused(
    tiny_model: Path, tmp_path: Path, adopt: Adopt, changes: dict[str, Any], message: str
) -> None:
    change_config(folder := save(tiny_model, tmp_path / "tuned"), **changes)
    with pytest.raises(InputError, match=message):
        adopt(folder)


@pytest.mark.parametrize(
    "mapping",
    [
        {"base_model_class": "Qwen2ForCausalLM", "parent_library": "transformers.models.qwen2", "unsloth_fixed": True},
        {"base_model_class": "system", "parent_library": "os"},
    ],
    ids=["Unsloth's", "any library"],
)
def test_named_class_is_not_imported(tiny_model: Path, tmp_path: Path, adopt: Adopt, mapping: dict[str, Any]) -> None:
    plain, _ = adopt(folder := save(tiny_model, tmp_path / "tuned"))
    change_config(folder, auto_mapping=mapping)
    assert adopt(folder)[0].id == plain.id


def test_order_of_modules_makes_no_other_adapter(tiny_model: Path, tmp_path: Path, adopt: Adopt) -> None:
    lora = {"target_modules": ["q_proj", "k_proj", "v_proj", "down_proj"], "exclude_modules": ["norm", "down_proj"]}
    folder = save(tiny_model, tmp_path / "tuned", **lora)
    names = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    orders = [{key: sorted(names[key], reverse=reverse) for key in lora} for reverse in (False, True)]
    found = set()
    for order in orders:
        change_config(folder, **order)
        found.add(adopt(folder)[0].id)
    assert len(found) == 1


def test_own_export_is_imported_again(
    registry: Database, store: ObjectStore, make_adapter: MakeAdapter, tmp_path: Path, adopt: Adopt
) -> None:
    adapter = make_adapter(r=32, target_modules=["q_proj", "v_proj"], rank_pattern={"q_proj": 4, "v_proj": 8})
    folder = export_model(store, registry, adapter.id, "triage", tmp_path / "out").folder
    (folder / "nightloom.json").unlink()
    assert adopt(folder)[0].id == adapter.id


@pytest.mark.parametrize(
    ("lora", "named"),
    [
        ({"bias": "all"}, "bias"),
        ({"bias": "lora_only", "use_dora": True}, "bias, use_dora"),
        ({"target_parameters": ["experts.down_proj"]}, "target_parameters"),
        ({"a_setting_of_tomorrow": True}, "a_setting_of_tomorrow"),
    ],
)
def test_card_recommends_only_what_vllm_serves(
    store: ObjectStore, registry: Database, make_adapter: MakeAdapter, lora: dict[str, Any], named: str
) -> None:
    from peft import LoraConfig

    lineage, given = read_lineage(store, registry, make_adapter(), "triage"), LoraConfig(r=4).to_dict()
    assert "--enable-lora" in write_card(lineage, None, merged=False, lora=given)
    card = write_card(lineage, None, merged=False, lora={**given, **lora})
    assert re.sub("`", "", card).count(f"vLLM cannot serve an adapter with {named} without merging") == 1
    assert "--enable-lora" not in card


@pytest.mark.parametrize("merged", [False, True], ids=["adapter", "merged"])
def test_card_code_answers_greedily(
    store: ObjectStore,
    registry: Database,
    tiny_model: Path,
    make_adapter: MakeAdapter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    merged: bool,
) -> None:
    base = publish_base(store, add_penalty(tiny_model, tmp_path / "penalised"))
    trained = make_adapter()
    content = trained.content.model_copy(update={"base": base.id})
    adapter = store.publish(trained.model_copy(update={"content": content}))
    folder = export_model(store, registry, adapter.id, "triage", tmp_path / "out", merged=merged).folder
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    code = code.replace("max_new_tokens=64", "max_new_tokens=9")  # what the tiny model has room for
    monkeypatch.chdir(folder)
    known: dict[str, Any] = {"messages": [{"role": "user", "content": "Team? my login"}]}
    with ignore_v6_deprecations():
        exec(code, known)  # noqa: S102  # as its reader would
    shown = known["inputs"]["input_ids"].shape[1]
    written = known["outputs"][0, shown:].tolist()
    engine = open_transformers(tiny_model, fetch_model(store, Adapter, adapter.id)[1], "lora")
    assert written == engine.complete([known["inputs"]["input_ids"][0].tolist()], len(written))[0]


def publish_base(store: ObjectStore, folder: Path) -> BaseModelManifest:
    content = BaseModelContent(files=put_folder(store, folder))
    return store.publish(BaseModelManifest(content=content, provenance=BaseModelProvenance(source=str(folder))))


def add_penalty(model: Path, folder: Path) -> Path:
    """Copy a model, whose folder then asks for other than the likeliest tokens."""
    shutil.copytree(model, folder)
    path = folder / "generation_config.json"
    document = {**json.loads(path.read_text(encoding="utf-8")), "repetition_penalty": 3.0, "no_repeat_ngram_size": 1}
    path.write_text(json.dumps(document), encoding="utf-8")
    return folder
