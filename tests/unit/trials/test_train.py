"""Trials with both trainers, on models and data of a few bytes."""

import logging
from collections.abc import Callable

import pytest
import torch
from nightloom.artifacts.blueprints import Blueprint, TrialPlan
from nightloom.artifacts.folders import fetch_model
from nightloom.artifacts.frames import LABELS, get_frame
from nightloom.artifacts.models import Adapter, BaseModelManifest, ModelRef
from nightloom.artifacts.training import Trial, identify_trial
from nightloom.base_models.freeze import freeze_base
from nightloom.base_models.loading import load_model
from nightloom.base_models.quiet import ignore_v6_deprecations
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.engines.opening import open_engine
from nightloom.engines.transformers import open_transformers
from nightloom.rendering.encode import read_conversations
from nightloom.trials import train as trials
from nightloom.trials.train import train_trial

from tests.factories.asking import ask

Plan = Callable[..., str]


def make_plan(method: str = "lora", trainer: str = "trl", lora: object = None, **settings: object) -> TrialPlan:
    settings = {"max_steps": 3, "per_device_train_batch_size": 4, "learning_rate": 1e-2, **settings}
    lora = {"r": 4} if lora is None and method == "lora" else lora or {}
    return TrialPlan.model_validate(
        {"trainer": trainer, "method": method, "lora": lora, "settings": settings, "seed": 3}
    )


def weights_of(store: ObjectStore, trial: Trial) -> list[tuple[str, str]]:
    return [(file.path, file.sha256) for file in store.load(Adapter, trial.result.adapter).content.files]


def ask_model(store: ObjectStore, model: ModelRef, text: str) -> str:
    return ask(open_engine(store, model), [[{"role": "user", "content": text}]])[0].text


def test_dummy_learns_and_answers(store: ObjectStore, plan_trial: Plan) -> None:
    base = freeze_base(store, "dummy")
    trial = train_trial(store, plan_trial(base, make_plan(trainer="dummy")), 0)
    assert ask_model(store, ModelRef(base=base, adapter=trial.result.adapter), "an invoice") == '{"team": "billing"}'
    assert ask_model(store, ModelRef(base=base), "an invoice") == ""


def test_trial_is_trained_once(store: ObjectStore, plan_trial: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    blueprint = plan_trial(freeze_base(store, "dummy"), make_plan(trainer="dummy"))
    first = train_trial(store, blueprint, 0)
    monkeypatch.setattr(trials, "TRAINERS", {})
    assert train_trial(store, blueprint, 0) == first


def test_unplanned_trial_is_refused(store: ObjectStore, plan_trial: Plan) -> None:
    blueprint = plan_trial(freeze_base(store, "dummy"), make_plan(trainer="dummy"))
    with pytest.raises(InputError, match="plans 1 trial; 1 is not one of them"):
        train_trial(store, blueprint, 1)


def test_snapshot_without_training_rows_is_refused(store: ObjectStore, plan_trial: Plan) -> None:
    blueprint = plan_trial(freeze_base(store, "dummy"), make_plan(trainer="dummy"), [])
    with pytest.raises(InputError, match="has no training rows"):
        train_trial(store, blueprint, 0)


@pytest.mark.torch
@pytest.mark.parametrize("method", ["lora", "full"])
def test_repeated_training_gives_same_bytes(store: ObjectStore, tiny_base: str, plan_trial: Plan, method: str) -> None:
    # Two blueprints, so that the second is trained, too; logging_steps changes no weight.
    first = train_trial(store, plan_trial(tiny_base, make_plan(method, logging_steps=1)), 0)
    again = train_trial(store, plan_trial(tiny_base, make_plan(method, logging_steps=2)), 0)
    assert weights_of(store, first) == weights_of(store, again)
    assert [point.step for point in first.result.curve] == [1, 2, 3]


@pytest.mark.torch
def test_adapter_holds_no_path(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    trial = train_trial(store, plan_trial(tiny_base, make_plan()), 0)
    adapter, folder = fetch_model(store, Adapter, trial.result.adapter)
    assert [file.path for file in adapter.content.files] == ["adapter_config.json", "adapter_model.safetensors"]
    assert '"base_model_name_or_path": null' in (folder / "adapter_config.json").read_text(encoding="utf-8")


@pytest.mark.torch
def test_result_counts_tokens_and_labels(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    result = train_trial(store, plan_trial(tiny_base, make_plan()), 0).result
    assert (result.steps, result.examples, result.left_out) == (3, 8, 0)
    assert 8 < result.label_tokens < result.tokens


@pytest.mark.torch
def test_sample_shows_what_model_read(
    store: ObjectStore, tiny_base: str, plan_trial: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "nightloom"):
        result = train_trial(store, plan_trial(tiny_base, make_plan()), 0).result
    assert result.sample
    sample = get_frame(store, result.sample, LABELS)
    assert "".join(sample["token"]) == '<|user|>the invoice is wrong<|end|><|assistant|>{"team": "billing"}<|end|>'
    assert "".join(sample.filter("learned")["token"]) == '{"team": "billing"}<|end|>'
    assert not any("invoice" in line or "billing" in line for line in caplog.messages)


@pytest.mark.torch
def test_progress_is_logged(
    store: ObjectStore, tiny_base: str, plan_trial: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "nightloom"):
        train_trial(store, plan_trial(tiny_base, make_plan(logging_steps=1)), 0)
    assert any(line.startswith("step 3/3 loss ") and line.endswith(" tokens/s") for line in caplog.messages)


@pytest.mark.torch
def test_tuned_model_changes_its_answers(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    trial = train_trial(store, plan_trial(tiny_base, make_plan("full", max_steps=20)), 0)
    tuned = ModelRef(base=tiny_base, adapter=trial.result.adapter)
    assert ask_model(store, tuned, "the invoice is wrong") != ask_model(
        store, ModelRef(base=tiny_base), "the invoice is wrong"
    )


@pytest.mark.torch
@pytest.mark.parametrize(
    ("plan", "message"),
    [
        pytest.param(make_plan(learning_rat=1), "did you mean 'learning_rate'", id="misspelled setting"),
        pytest.param(make_plan(lora={"rank": 4}), "train.lora.rank is not a setting", id="unknown LoRA setting"),
        pytest.param(make_plan(push_to_hub=True), "set by Nightloom itself", id="reserved setting"),
        pytest.param(make_plan(completion_only_loss=False), "set by Nightloom itself", id="what is learned"),
        pytest.param(make_plan(num_train_epochs="x"), "cannot be used", id="bad value"),
        pytest.param(
            make_plan(per_device_train_batch_size="8"), "is '8'; write a whole number above 0", id="bad batch"
        ),
        pytest.param(make_plan(max_length=0), "max_length is 0; write a whole number above 0", id="bad length"),
        pytest.param(make_plan(optim="adamw_bnb_8bit"), "cannot be used.*bitsandbytes", id="optimizer not here"),
        pytest.param(make_plan(fsdp="full_shard"), "fsdp spreads a model over several devices", id="spread model"),
        pytest.param(make_plan(lora={"target_modules": ["nowhere"]}), "cannot be used", id="no module matches"),
        pytest.param(
            make_plan(lr_scheduler_kwargs={"steepness": 2}),
            "train.settings.lr_scheduler_kwargs cannot be used: TypeError: .*; correct or remove it",
            id="argument of the schedule",
        ),
        pytest.param(
            make_plan(lr_scheduler_type="cosine_with_min_lr"),
            "train.settings.lr_scheduler_type.* cannot be used: ValueError",
            id="schedule without its argument",
        ),
        pytest.param(make_plan(use_liger_kernel=True), "use_liger_kernel needs liger-kernel; install", id="kernels"),
        pytest.param(make_plan(max_steps=-1, num_train_epochs=0), "training has no step", id="no step"),
        pytest.param(
            make_plan(dataloader_drop_last=True, per_device_train_batch_size=64),
            "has no step .*, or remove dataloader_drop_last",
            id="no whole batch",
        ),
        pytest.param(
            make_plan(activation_offloading=True), "activation_offloading.* cannot be used", id="a device not here"
        ),
        pytest.param(make_plan(lora={"bias": "some"}), "bias cannot be used: NotImplementedError", id="a bias"),
        pytest.param(
            make_plan(lora={"trainable_token_indices": [9999]}), "cannot be used: IndexError", id="a token not here"
        ),
        pytest.param(
            make_plan(lora={"layers_pattern": "(", "layers_to_transform": [0], "target_modules": ["q_proj"]}),
            "cannot be used",
            id="a broken pattern",
        ),
    ],
)
def test_wrong_setting_is_named(
    store: ObjectStore, tiny_base: str, plan_trial: Plan, plan: TrialPlan, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_trial(store, plan_trial(tiny_base, plan), 0)


@pytest.mark.torch
def test_single_long_example_is_left_out(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    rows = [("the invoice is wrong", "billing")] * 100 + [("word " * 80, "login")]
    result = train_trial(store, plan_trial(tiny_base, make_plan(max_steps=1), rows), 0).result
    assert (result.examples, result.left_out) == (100, 1)


@pytest.mark.torch
def test_many_long_examples_are_refused(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    rows = [("the invoice is wrong", "billing")] * 10 + [("word " * 80, "login")]
    with pytest.raises(InputError, match="1 of 11 training examples are longer than 64 tokens, the base"):
        train_trial(store, plan_trial(tiny_base, make_plan(), rows), 0)


WITH_EMBEDDINGS = {"r": 4, "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}


BOTH_KINDS = pytest.mark.parametrize(
    "lora", [pytest.param({"r": 4}, id="linear"), pytest.param(WITH_EMBEDDINGS, id="embeddings")]
)


@pytest.mark.torch
def test_peft_does_not_change_trial_key(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    blueprint = plan_trial(tiny_base, make_plan(lora=WITH_EMBEDDINGS, max_steps=1))
    trained = train_trial(store, blueprint, 0)
    assert store.find(Trial, identify_trial(store.load(Blueprint, blueprint).content, 0)) == trained


@pytest.mark.torch
@BOTH_KINDS
def test_merged_adapter_gives_same_logits(store: ObjectStore, tiny_base: str, plan_trial: Plan, lora: object) -> None:
    from peft import PeftModel

    trial = train_trial(store, plan_trial(tiny_base, make_plan(lora=lora, max_steps=10)), 0)
    base = fetch_model(store, BaseModelManifest, tiny_base)[1]
    adapter = fetch_model(store, Adapter, trial.result.adapter)[1]
    tokens = torch.arange(20)[None]
    with ignore_v6_deprecations(), torch.no_grad():
        apart = PeftModel.from_pretrained(load_model(base), adapter).eval()(tokens).logits
        merged = open_transformers(base, adapter, "lora").model(tokens).logits
    torch.testing.assert_close(merged, apart, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(merged, load_model(base)(tokens).logits, atol=1e-2)


@pytest.mark.torch
def test_adapter_of_another_base_is_refused(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    dummy = freeze_base(store, "dummy")
    trial = train_trial(store, plan_trial(dummy, make_plan(trainer="dummy")), 0)
    with pytest.raises(InputError, match="was trained on base model"):
        open_engine(store, ModelRef(base=tiny_base, adapter=trial.result.adapter))


CONVERSATION = [
    {"content": "Be brief.", "role": "system"},
    {"content": "Hi", "role": "user"},
    {"content": "Hello.", "role": "assistant"},
]


def test_example_includes_history(store: ObjectStore, plan_trial: Plan) -> None:
    blueprint = plan_trial(freeze_base(store, "dummy"), make_plan(trainer="dummy"), history=CONVERSATION)
    conversation = read_conversations(store, store.load(Blueprint, blueprint).content)[0]
    assert [message["role"] for message in conversation] == ["system", "user", "assistant", "user", "assistant"]
    assert [message["content"] for message in conversation[-2:]] == ["the invoice is wrong", '{"team": "billing"}']


@pytest.mark.torch
def test_only_last_answer_is_learned(store: ObjectStore, tiny_base: str, plan_trial: Plan) -> None:
    alone = train_trial(store, plan_trial(tiny_base, make_plan("full")), 0).result
    after = train_trial(store, plan_trial(tiny_base, make_plan("full"), history=CONVERSATION), 0).result
    assert after.tokens > alone.tokens
    assert after.label_tokens == alone.label_tokens
