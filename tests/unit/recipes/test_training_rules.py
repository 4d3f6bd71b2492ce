"""Rules of a recipe's training, on raw recipes."""

from pathlib import Path
from typing import Any

import pytest
from nightloom.recipes.rules import check_rules
from nightloom.recipes.training import RESERVED_SETTINGS

FILE = Path("recipes/triage.yaml")


def problems(recipe: dict[str, Any]) -> list[str]:
    return [finding.problem for finding in check_rules(recipe, FILE)]


@pytest.mark.parametrize(
    "base",
    [
        *("starter", "dummy", "/models/llama", "s3://models/llama/", "s3://models"),
        *("meta-llama/Llama-3.2-1B@4e20de3", "org/name@refs/pr/1", 7),
    ],
)
def test_base_model_that_is_the_same_everywhere_is_sound(base: object) -> None:
    assert problems({"train": {"base": base}}) == []


def test_base_model_of_the_hub_needs_a_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (finding,) = check_rules({"train": {"base": "Qwen/Qwen3-0.6B"}}, FILE)
    assert finding.place == ("train", "base")
    assert finding.problem == "'Qwen/Qwen3-0.6B' is no folder here, and as a model of the hub it lacks a revision"
    assert finding.remedy.startswith("write `Qwen/Qwen3-0.6B@` and a commit from the model's page")
    (tmp_path / "Qwen" / "Qwen3-0.6B").mkdir(parents=True)
    assert problems({"train": {"base": "Qwen/Qwen3-0.6B"}}) == []


@pytest.mark.parametrize(
    ("base", "remedy"),
    [("startr", "write `starter`, or a folder's"), ("models/a/b", "write `starter`, a folder's"), ("s3:///a", "write")],
)
def test_base_model_that_nobody_knows_is_refused(base: str, remedy: str) -> None:
    (finding,) = check_rules({"train": {"base": base}}, FILE)
    assert finding.problem == f"{base!r} is no base model that is known here"
    assert finding.remedy.startswith(remedy)


def test_setting_with_a_typo_gets_the_closest() -> None:
    train = {"settings": {"learning_rat": 1e-3, "num_train_epochs": 2}, "lora": {"r": 8, "lora_alfa": 16}}
    first, second = check_rules({"train": train}, FILE)
    assert (first.problem, first.remedy) == ("`learning_rat` is not a setting of SFTConfig", "write `learning_rate`")
    assert (second.place, second.remedy) == (("train", "lora", "lora_alfa"), "write `lora_alpha`")


def test_setting_that_is_not_a_recipes_to_set_is_refused() -> None:
    (finding,) = check_rules({"train": {"settings": {"output_dir": "elsewhere"}}}, FILE)
    assert (finding.problem, finding.remedy) == ("`output_dir` is set by Nightloom itself", "remove it")


def test_drawn_setting_with_a_typo_gets_the_closest() -> None:
    (finding,) = check_rules({"train": {"trials": {"over": {"settings.learning_rat": [1e-3]}}}}, FILE)
    assert (finding.place[-1], finding.remedy) == ("settings.learning_rat", "write `learning_rate`")


@pytest.mark.parametrize(
    ("train", "place"),
    [
        ({"settings": {"per_device_train_batch_size": 0}}, "per_device_train_batch_size"),
        ({"settings": {"gradient_accumulation_steps": "many"}}, "gradient_accumulation_steps"),
        ({"settings": {"num_train_epochs": -1.5}}, "num_train_epochs"),
        ({"settings": {"learning_rate": True}}, "learning_rate"),
        ({"lora": {"r": 2.5}}, "r"),
        ({"trials": {"over": {"lora.r": [8, 0, -1]}}}, "lora.r"),
        ({"trials": {"over": {"settings.learning_rate": {"low": 0, "high": 1}}}}, "low"),
        ({"trials": {"over": {"lora.r": {"low": 4, "high": 64}}}}, "low"),
        ({"trials": {"over": {"lora.r": {"low": 0.2, "high": 64, "whole": True}}}}, "low"),
    ],
)
def test_settings_by_which_nothing_is_trained_are_refused(train: dict[str, Any], place: str) -> None:
    (finding,) = check_rules({"train": train}, FILE)
    assert (finding.place[-1], finding.problem[:23]) == (place, "nothing is trained with")


def test_range_of_whole_numbers_is_fine() -> None:
    ranges = {"lora.r": {"low": 4.0, "high": 64, "whole": True}, "settings.learning_rate": {"low": 1e-5, "high": 1}}
    assert list(check_rules({"train": {"trials": {"over": ranges}}}, FILE)) == []


def test_settings_of_the_dummy_are_free() -> None:
    assert problems({"train": {"trainer": "dummy", "settings": {"anything": 1}}}) == []


@pytest.mark.torch
def test_settings_read_from_source_are_those_of_the_libraries() -> None:
    from dataclasses import fields

    from peft import LoraConfig
    from trl import SFTConfig

    settings = {"settings": dict.fromkeys({f.name for f in fields(SFTConfig)} - set(RESERVED_SETTINGS), 1)}
    lora = {"lora": dict.fromkeys((f.name for f in fields(LoraConfig)), 1)}
    assert problems({"train": {**settings, **lora}}) == []
