"""Rules of a recipe's training, on raw recipes."""

from pathlib import Path
from typing import Any

import pytest
from nightloom.recipes.rules import check_rules
from nightloom.recipes.training import RESERVED_SETTINGS
from nightloom.recipes.training_rules import _UNREAD

FILE = Path("recipes/triage.yaml")
NOTHING = "0 would train nothing"


def problems(recipe: dict[str, Any]) -> list[str]:
    return [problem.message for problem in check_rules(recipe, FILE)]


@pytest.mark.parametrize(
    "base",
    [
        *("starter", "dummy", "/models/llama", "s3://models/llama/", "s3://models"),
        *("meta-llama/Llama-3.2-1B@4e20de3", "org/name@refs/pr/1", 7),
    ],
)
def test_pinned_base_model_is_valid(base: object) -> None:
    assert problems({"train": {"base": base}}) == []


def test_hub_model_needs_a_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (problem,) = check_rules({"train": {"base": "Qwen/Qwen3-0.6B"}}, FILE)
    assert problem.path == ("train", "base")
    assert problem.message == "'Qwen/Qwen3-0.6B' is not a local folder, and a Hub model must be pinned"
    assert problem.remedy.startswith("write `Qwen/Qwen3-0.6B@<commit>`, or ")
    (tmp_path / "Qwen" / "Qwen3-0.6B").mkdir(parents=True)
    assert problems({"train": {"base": "Qwen/Qwen3-0.6B"}}) == []


@pytest.mark.parametrize(
    ("base", "remedy"),
    [("startr", "write `starter`, or the"), ("models/a/b", "write `starter`, the"), ("s3:///a", "write")],
)
def test_unknown_base_model_is_refused(base: str, remedy: str) -> None:
    (problem,) = check_rules({"train": {"base": base}}, FILE)
    assert problem.message == f"{base!r} is not a known base model"
    assert problem.remedy.startswith(remedy)


def test_misspelt_setting_gets_the_closest() -> None:
    train = {"settings": {"learning_rat": 1e-3, "num_train_epochs": 2}, "lora": {"r": 8, "lora_alfa": 16}}
    first, second = check_rules({"train": train}, FILE)
    assert (first.message, first.remedy) == ("`learning_rat` is not a setting of SFTConfig", "write `learning_rate`")
    assert (second.path, second.remedy) == (("train", "lora", "lora_alfa"), "write `lora_alpha`")


def test_reserved_setting_is_refused() -> None:
    (problem,) = check_rules({"train": {"settings": {"output_dir": "elsewhere"}}}, FILE)
    assert (problem.message, problem.remedy) == ("`output_dir` is set by Nightloom itself", "remove it")


def test_misspelt_hyperparameter_gets_the_closest() -> None:
    (problem,) = check_rules({"train": {"trials": {"over": {"settings.learning_rat": [1e-3]}}}}, FILE)
    assert (problem.path[-1], problem.remedy) == ("settings.learning_rat", "write `learning_rate`")


@pytest.mark.parametrize(
    ("train", "field", "message"),
    [
        ({"settings": {"per_device_train_batch_size": 0}}, "per_device_train_batch_size", NOTHING),
        (
            {"settings": {"gradient_accumulation_steps": "many"}},
            "gradient_accumulation_steps",
            "many is not a whole number of at least 1",
        ),
        ({"settings": {"num_train_epochs": -1.5}}, "num_train_epochs", "-1.5 would train nothing"),
        ({"settings": {"learning_rate": True}}, "learning_rate", "True is not a number above 0"),
        ({"lora": {"r": 2.5}}, "r", "2.5 is not a whole number of at least 1"),
        ({"trials": {"over": {"lora.r": [8, 0, -1]}}}, "lora.r", NOTHING),
        ({"lora": {"lora_alpha": 0}}, "lora_alpha", NOTHING),
        ({"lora": {"lora_dropout": 1.0}}, "lora_dropout", "1.0 would train nothing"),
        ({"trials": {"over": {"settings.max_steps": [-1, 0]}}}, "settings.max_steps", NOTHING),
        ({"settings": {"learning_rate": float("inf")}}, "learning_rate", "inf would train nothing"),
        ({"trials": {"over": {"settings.learning_rate": {"low": 0, "high": 1}}}}, "low", "0.0 would train nothing"),
        ({"trials": {"over": {"lora.r": {"low": 4, "high": 64}}}}, "low", "4.0 is not a whole number of at least 1"),
        ({"trials": {"over": {"lora.r": {"low": 0.2, "high": 64, "whole": True}}}}, "low", NOTHING),
    ],
)
def test_settings_that_train_nothing_are_refused(train: dict[str, Any], field: str, message: str) -> None:
    (problem,) = check_rules({"train": train}, FILE)
    assert (problem.path[-1], problem.message) == (field, message)


@pytest.mark.parametrize(
    ("train", "field", "message"),
    [
        ({"settings": {"logging_steps": "5"}}, "logging_steps", "'5' is not a number"),
        ({"settings": {"packing": "yes"}}, "packing", "'yes' is not true or false"),
        ({"settings": {"bf16": "auto"}}, "bf16", "'auto' is not true or false"),
        ({"settings": {"neftune_noise_alpha": [5]}}, "neftune_noise_alpha", "'[5]' is not a number"),
        ({"lora": {"lora_dropout": "0.1"}}, "lora_dropout", "'0.1' is not a number"),
        (
            {"trials": {"over": {"settings.weight_decay": [0.1, "0.2"]}}},
            "settings.weight_decay",
            "'0.2' is not a number",
        ),
    ],
)
def test_setting_of_another_type_is_refused(train: dict[str, Any], field: str, message: str) -> None:
    (problem,) = check_rules({"train": train}, FILE)
    assert (problem.path[-1], problem.message) == (field, message)


def test_setting_may_be_text_or_nothing() -> None:
    settings = {"optim": "adamw_torch", "max_length": None, "lr_scheduler_kwargs": {"min_lr": 1e-6}, "packing": False}
    assert problems({"train": {"settings": settings, "lora": {"target_modules": ["q_proj"], "bias": "none"}}}) == []


@pytest.mark.parametrize(
    "train",
    [{"lora": {"task_type": "TOKEN_CLS"}}, {"trials": {"over": {"lora.task_type": ["CAUSAL_LM", "SEQ_2_SEQ_LM"]}}}],
    ids=["one", "among trials"],
)
def test_adapter_that_writes_no_texts_is_refused(train: dict[str, Any]) -> None:
    (problem,) = check_rules({"train": train}, FILE)
    assert (problem.path[-1].endswith("task_type"), problem.remedy) == (True, "remove it")
    assert "writes no answers" in problem.message
    assert problems({"train": {"lora": {"task_type": "CAUSAL_LM"}}}) == []


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"model_init_kwargs": {"dtype": "bfloat16"}}, "write it under `train.model`"),
        ({"eval_steps": 50}, "remove it, or use `train.early_stopping`"),
        ({"resume_from_checkpoint": "last"}, "remove it: a training resumes from its own checkpoint"),
    ],
)
def test_setting_without_effect_is_reported(settings: dict[str, Any], remedy: str) -> None:
    (problem,) = check_rules({"train": {"settings": settings}}, FILE)
    assert (problem.message, problem.remedy) == (f"`{next(iter(settings))}` has no effect here", remedy)


def test_adapter_of_another_kind_is_refused() -> None:
    assert problems({"train": {"lora": {"peft_type": "IA3"}}}) == ["adapters of type 'IA3' are not trained"]


def test_range_of_whole_numbers_is_valid() -> None:
    ranges = {"lora.r": {"low": 4.0, "high": 64, "whole": True}, "settings.learning_rate": {"low": 1e-5, "high": 1}}
    assert list(check_rules({"train": {"trials": {"over": ranges}}}, FILE)) == []


def test_dummy_accepts_any_setting() -> None:
    assert problems({"train": {"trainer": "dummy", "settings": {"anything": 1}}}) == []


@pytest.mark.torch
def test_parsed_settings_match_the_libraries() -> None:
    from dataclasses import fields

    from peft import LoraConfig
    from trl import SFTConfig

    settings = {
        "settings": dict.fromkeys({f.name for f in fields(SFTConfig)} - set(RESERVED_SETTINGS) - set(_UNREAD), 1)
    }
    lora = {
        "lora": {**dict.fromkeys((f.name for f in fields(LoraConfig)), 1), "lora_dropout": 0.5, "peft_type": "LORA"}
    }
    assert problems({"train": {**settings, **lora}}) == []
