from datetime import date

import pytest
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.prompts import Prompt
from nightloom.core.packages import installed_packages, package_versions


def test_blueprint_is_stored_with_its_prompt(store, make_blueprint):
    blueprint = make_blueprint()
    assert store.load(Blueprint, blueprint.id) == blueprint
    assert store.load(Prompt, blueprint.content.task.prompt).content.messages[0].content == "{{ text }}"


def test_blueprint_pins_the_recipe(make_blueprint, inputs):
    lora = {"r": 8}
    content = make_blueprint(train={"lora": lora, "seed": 7}, gate={"promote_on": "not_worse", "margin": 0.03}).content
    assert (content.snapshot, content.base, content.primary) == (inputs.snapshot, inputs.base, "team")
    assert content.task.answer == {"team": ("billing", "sales"), "reply": None}
    assert (content.promote_on, content.margin, content.confidence) == ("not_worse", 0.03, 0.95)
    (trial,) = content.trials
    assert (trial.trainer, trial.method, trial.lora, trial.seed) == ("trl", "lora", {"r": 8}, 7)


def test_blueprint_records_minimum_detectable_effect(make_blueprint, inputs):
    (use,) = make_blueprint().content.eval_sets
    assert (use.name, use.evalset, use.items) == ("held_out", inputs.eval_set.id, 500)
    assert use.minimum_detectable_effect == 0.03962


def test_unchanged_night_reuses_the_blueprint(make_blueprint):
    first, second = make_blueprint(date(2026, 11, 23)), make_blueprint(date(2026, 11, 24))
    assert first == second
    assert second.provenance.night == "2026-11-23"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"prompt": "Team? {{ text }}"}, id="prompt"),
        pytest.param({"train": {"seed": 21}}, id="seed"),
        pytest.param({"train": {"settings": {"learning_rate": 0.001}}}, id="settings"),
        pytest.param({"gate": {"margin": 0.01}}, id="gate"),
    ],
)
def test_changed_setting_changes_the_blueprint(make_blueprint, changed):
    assert make_blueprint(**changed).id != make_blueprint().id


def test_blueprint_records_package_versions(make_blueprint):
    blueprint = make_blueprint()
    assert blueprint.content.packages == package_versions("peft", "tokenizers", "torch", "transformers", "trl")
    assert blueprint.provenance.packages == installed_packages()
