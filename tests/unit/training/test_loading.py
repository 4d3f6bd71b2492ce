"""Loading of the base model, and checks of peft's settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nightloom.artifacts.blueprints import TrialPlan
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.models import Adapter, BaseModelManifest
from nightloom.base_models.loading import load_model
from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.engines.transformers import open_transformers
from nightloom.training import loading
from nightloom.training.loading import choose_precision, load_base
from nightloom.training.sft import check_settings
from nightloom.trials.train import train_trial

pytestmark = pytest.mark.torch

Plan = Callable[..., str]


def make_plan(method: str = "lora", model: object = None, lora: object = None, **settings: object) -> TrialPlan:
    settings = {"max_steps": 3, "per_device_train_batch_size": 8, "learning_rate": 2e-2, **settings}
    document = {"trainer": "trl", "method": method, "model": model or {}, "lora": lora or {}, "settings": settings}
    return TrialPlan.model_validate({**document, "seed": 3})


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (make_plan(model={"atn_implementation": "sdpa"}), r"model\.atn_implementation .* mean 'attn_implementation'"),
        (make_plan(model={"rope": 1}), r"known are dtype, attn_implementation, use_kernels, quantization"),
        (make_plan(model={"dtype": "int8"}), r"dtype is 'int8'; write one of auto, float32, bfloat16, float16"),
        (make_plan(model={"quantization": "2bit"}), r"quantization is '2bit'; write one of 4bit, 8bit"),
        (make_plan("full", model={"quantization": "4bit"}), "works only with train.method lora"),
        (make_plan(model={"quantization": "4bit"}), "needs a GPU"),
        (make_plan(lora={"init_lora_weights": "pissa"}), "would not fit another copy of it; write true, gaussian"),
        (make_plan(lora={"init_lora_weights": "pissa_niter_4"}), "would not fit another copy"),
        (
            make_plan(lora={"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4}}),
            "would not fit another copy",
        ),
        (make_plan(lora={"eva_config": {"rho": 2.0}}), r"lora\.eva_config needs objects"),
        (make_plan(lora={"layer_replication": [[0, 1], [0, 1]]}), "cannot be merged"),
        (make_plan(lora={"inference_mode": True}), "learns nothing"),
    ],
)
def test_unusable_setting_is_refused(plan: TrialPlan, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_settings(plan)


@pytest.mark.parametrize("targets", [["q_proj", "embed_tokens"], ["model.embed_tokens"], ".*embed_tokens", ["lm_head"]])
def test_tied_embeddings_are_refused_as_target(tiny_model: Path, targets: object) -> None:
    with pytest.raises(InputError, match=r"write modules_to_save: \[embed_tokens\] and ensure_weight_tying"):
        load_base(make_plan(lora={"target_modules": targets}), tiny_model)


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        (
            {"target_modules": ["q_proj", "v_prj"]},
            "target_modules cannot be used: .* no 'v_prj'; did you mean 'v_proj'",
        ),
        ({"modules_to_save": ["embed_token"]}, "modules_to_save .* no 'embed_token'; did you mean 'embed_tokens'"),
        ({"rank_pattern": {"up_proj": 2, "blocks.0.q_proj": 2}}, "rank_pattern .* no 'blocks.0.q_proj'"),
        ({"alpha_pattern": {"(": 2}}, r"alpha_pattern .* no '\('; correct or remove it"),
        ({"target_parameters": ["mlp.experts.up"]}, "target_parameters .* no 'mlp.experts.up'"),
    ],
    ids=["target", "saved module", "rank", "pattern", "parameter"],
)
def test_name_of_no_module_is_refused(tiny_model: Path, lora: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_base(make_plan(lora=lora), tiny_model)


def test_quantization_names_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs bitsandbytes; install it for the training interpreter"):
        check_settings(make_plan(model={"quantization": "8bit"}))


@pytest.mark.parametrize(
    ("model", "message"),
    [({"attn_implementation": "nowhere"}, "cannot be loaded with train.model"), ({"use_kernels": True}, "ernels")],
)
def test_unavailable_attention_is_refused(tiny_model: Path, model: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_base(make_plan(model=model), tiny_model)


@pytest.mark.parametrize(
    ("plan", "dtype"),
    [
        pytest.param(make_plan(), torch.float32, id="as it is stored"),
        pytest.param(make_plan(model={"dtype": "bfloat16"}), torch.bfloat16, id="as it is asked for"),
    ],
)
def test_model_follows_the_plan(tiny_model: Path, plan: TrialPlan, dtype: torch.dtype) -> None:
    model = load_base(plan, tiny_model)
    assert (model.dtype, model.config._attn_implementation) == (dtype, "eager")
    plan = make_plan(model={"attn_implementation": "sdpa"})
    assert load_base(plan, tiny_model).config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("stored", "method", "dtype"),
    [
        pytest.param(torch.bfloat16, "lora", torch.bfloat16, id="what is not trained may be short"),
        pytest.param(torch.bfloat16, "full", torch.float32, id="what is trained may not"),
    ],
)
def test_trained_weights_have_32_bits(
    tiny_model: Path, tmp_path: Path, stored: torch.dtype, method: str, dtype: torch.dtype
) -> None:
    load_model(tiny_model).to(stored).save_pretrained(tmp_path)
    assert load_base(make_plan(method), tmp_path).dtype == dtype


def test_device_without_bf16_uses_32_bits(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    assert choose_precision({"bf16": True}) == ({}, ())
    monkeypatch.setattr(loading, "has_bf16", lambda: False)
    monkeypatch.setattr(loading, "describe_device", lambda: "Tesla T4")
    assert choose_precision({"bf16": True}) == (
        {"bf16": False},
        ("Tesla T4 does not support bf16: trained in 32 bits",),
    )
    assert choose_precision({"fp16": True}) == choose_precision({"bf16": False}) == ({}, ())
    assert load_base(make_plan(), tiny_model).dtype == torch.float32


LORA = [
    pytest.param({"use_dora": True}, id="DoRA"),
    pytest.param({"use_rslora": True, "r": 4, "lora_alpha": 16}, id="rank-stabilised"),
    pytest.param({"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 3}}, id="patterns"),
    pytest.param({"target_modules": ["q_proj", "v_proj"], "layers_to_transform": [0]}, id="one layer"),
    pytest.param({"trainable_token_indices": [7, 8]}, id="some tokens"),
    pytest.param({"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}, id="embeddings"),
    pytest.param({"modules_to_save": ["layers.0.input_layernorm", "attention_layernorm"]}, id="ends of names"),
    pytest.param({"exclude_modules": ["q_proj", "k_proj"]}, id="some left out"),
    pytest.param({"init_lora_weights": "orthogonal"}, id="orthogonal"),
    pytest.param({"init_lora_weights": "mica"}, id="minor components"),
    pytest.param({"init_lora_weights": False}, id="random"),
    pytest.param({"bias": "all"}, id="biases"),
    pytest.param({"target_modules": [], "target_parameters": ["mlp.down_proj.weight"]}, id="a parameter"),
    pytest.param({"rank_pattern": {r"layers\.[01]\..*q_proj": 2}}, id="ranks by a pattern"),
]


@pytest.mark.parametrize("lora", LORA)
def test_lora_variants_fit_frozen_base(
    store: ObjectStore, tiny_base: str, plan_trial: Plan, lora: dict[str, Any]
) -> None:
    from peft import PeftModel

    trial = train_trial(store, plan_trial(tiny_base, make_plan(lora=lora)), 0)
    base = fetch_model(store, BaseModelManifest, tiny_base)[1]
    adapter = fetch_model(store, Adapter, trial.result.adapter)[1]
    tokens = torch.arange(5, 25)[None]
    with ignore_v6_deprecations(), torch.no_grad():
        apart = PeftModel.from_pretrained(load_model(base), adapter).eval()(tokens).logits
        merged = open_transformers(base, adapter, "lora").model(tokens).logits
    torch.testing.assert_close(merged, apart, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(merged, load_model(base)(tokens).logits, atol=1e-3)
