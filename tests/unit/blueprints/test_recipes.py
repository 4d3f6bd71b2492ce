"""Blueprints of a recipe: compiled, planned, run, verified and replayed, with dummy model and in-memory store."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.blueprints import Blueprint
from nightloom.artifacts.folders import put_folder
from nightloom.artifacts.models import Adapter, AdapterContent
from nightloom.artifacts.training import Trial, identify_trial
from nightloom.base_models.freeze import freeze_base
from nightloom.blueprints.compile import compile_recipe
from nightloom.blueprints.diff import diff_with_recipe
from nightloom.blueprints.plan import Plan
from nightloom.blueprints.planner import PLANNED, plan_blueprint, plan_recipe
from nightloom.blueprints.replay import choose_trial, list_environment_changes, replay_on_device
from nightloom.blueprints.verify import THREADS, BlueprintCheck, verify_blueprint
from nightloom.core.errors import InputError
from nightloom.core.manifests import manifest_key
from nightloom.core.nights import Stop
from nightloom.core.stages import STEPS
from nightloom.nightly import finetune
from nightloom.nightly.blueprint_run import BlueprintResult, run_blueprint
from nightloom.recipes.check import load_recipe
from nightloom.registry.members import add_member
from nightloom.registry.nights import read_outcome
from nightloom.registry.refs import read_ref

from tests.factories.nights import NIGHT, ROWS, PreparedNight

GRID = "train: {trainer: dummy, base: dummy, trials: {over: {settings.learning_rate: [0.1, 0.2]}}}"
DUMMY = "train: {trainer: dummy, base: dummy}"


@pytest.fixture(autouse=True)
def _no_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)


def compile_night(prepared: PreparedNight, night: date = NIGHT) -> Blueprint:
    compiled = compile_recipe(prepared.store, prepared.registry, load_recipe("triage"), night)
    assert isinstance(compiled, Blueprint)
    add_member(prepared.registry, "triage", night, "blueprint", compiled.id)
    return compiled


def plan(prepared: PreparedNight, night: date = NIGHT) -> Plan:
    return plan_recipe(prepared.store, prepared.registry, "triage", night)


def run(prepared: PreparedNight, blueprint: Blueprint, trial: int | None = None) -> BlueprintResult:
    return run_blueprint(prepared.store, blueprint.id, lambda *_: None, trial)


def statuses(made: Plan) -> dict[str, str]:
    return {step.name: step.status for step in made.items}


def reasons(made: Plan) -> dict[str, str]:
    return {step.name: step.reason for step in made.items if step.reason}


def test_plan_waits_for_the_base_model(prepared: PreparedNight, s3: Any) -> None:
    before = set(s3.objects)
    made = plan(prepared)
    assert set(s3.objects) == before
    assert made.blueprint is None
    assert (made.items[0].name, made.items[0].status) == ("base model", "would run")
    assert {step.status for step in made.items[1:]} == {"unknown"}


def test_first_plan_stores_nothing(prepared: PreparedNight, s3: Any) -> None:
    freeze_base(prepared.store, "dummy")
    before = set(s3.objects)
    made = plan(prepared)
    assert set(s3.objects) == before
    assert made.blueprint
    assert (made.is_stored, made.previous, made.blueprint.id) == (False, None, compile_night(prepared).id)
    assert statuses(made) == {
        "base model": "exists",
        "snapshot": "exists",
        "trial 0": "would run",
        "ranking": "would run",
        "scores of baseline on gold": "would run",
        "scores of candidate on gold": "unknown",
        "verdict": "unknown",
    }
    assert reasons(made)["trial 0"] == "first trial of the recipe"


def test_manual_compile_equals_nightly_compile(prepared: PreparedNight) -> None:
    assert finetune.compile_blueprint("triage", NIGHT.isoformat()) == compile_night(prepared).id


def test_night_without_rows_compiles_nothing(prepared: PreparedNight) -> None:
    later = NIGHT + timedelta(days=1)
    stopped = compile_recipe(prepared.store, prepared.registry, load_recipe("triage"), later)
    assert stopped == Stop("nothing_new", "nothing to train on: night 2026-11-24 was not prepared")


def test_manual_run_records_no_outcome(prepared: PreparedNight, s3: Any) -> None:
    ran = run(prepared, compile_night(prepared))
    assert read_outcome(prepared.registry, "triage", NIGHT, "finetune") is None
    assert read_ref(prepared.registry, "triage", "champion") is None
    assert set(statuses(plan(prepared)).values()) <= {"exists", "would run"}
    before = set(s3.objects)
    assert run(prepared, compile_night(prepared)) == ran
    assert set(s3.objects) == before
    night = NIGHT.isoformat()
    blueprint = str(finetune.compile_blueprint("triage", night))
    assert finetune.compare_candidate("triage", night, blueprint, str(ran.candidate), None) == ran.verdict


def test_one_trial_runs_alone(prepared: PreparedNight) -> None:
    prepared.change_recipe(DUMMY, GRID)
    ran = run(prepared, compile_night(prepared), trial=1)
    assert (list(ran.trials), ran.candidate, ran.verdict) == ([1], None, None)
    made = statuses(plan(prepared))
    assert (made["trial 0"], made["trial 1"], made["scores of candidate on gold"]) == ("would run", "exists", "unknown")


def test_everything_exists_after_a_run(prepared: PreparedNight) -> None:
    run(prepared, compile_night(prepared))
    made = plan(prepared)
    trained = {name: status for name, status in statuses(made).items() if name != "ranking"}
    assert set(trained.values()) == {"exists"}
    assert (made.is_stored, made.estimate) == (True, None)


def test_changed_gate_trains_nothing(prepared: PreparedNight) -> None:
    first = compile_night(prepared)
    run(prepared, first)
    prepared.change_recipe("evaluate:", "gate: {margin: 0.03}\nevaluate:")
    made = plan(prepared)
    assert made.previous == first
    assert [change.message for change in made.changes] == ["margin changed from 0.02 to 0.03"]
    assert statuses(made)["trial 0"] == "exists"
    assert statuses(made)["verdict"] == "would run"


def test_plan_names_changed_setting(prepared: PreparedNight) -> None:
    first = compile_night(prepared)
    run(prepared, first)
    prepared.change_recipe(DUMMY, "train: {trainer: dummy, base: dummy, settings: {learning_rate: 0.1}}")
    assert reasons(plan(prepared))["trial 0"] == (
        f"trials.0.settings.learning_rate added: 0.1 since trial 0 of blueprint {first.id[:12]} (night 2026-11-23)"
    )


def test_plan_compares_with_nearest_trial(prepared: PreparedNight) -> None:
    prepared.change_recipe(DUMMY, GRID)
    run(prepared, compile_night(prepared), trial=0)
    run(prepared, compile_night(prepared), trial=1)
    prepared.change_recipe("[0.1, 0.2]", "[0.1, 0.2], lora.r: [8, 4]")
    found = reasons(plan(prepared))
    assert "trials.1.lora.r added: 4 since trial 0 of blueprint" not in found["trial 0"]
    assert found["trial 0"].startswith("trials.0.lora.r added: 8 since trial 0 of blueprint")
    assert found["trial 1"].startswith("trials.1.lora.r added: 8 since trial 1 of blueprint")


def test_plan_counts_new_rows(prepared: PreparedNight) -> None:
    run(prepared, compile_night(prepared))
    later = NIGHT + timedelta(days=1)
    prepared.prepare(later, [*ROWS, ("train", "I was charged twice", "billing")])
    assert "(6 → 7 train rows)" in reasons(plan(prepared, later))["trial 0"]
    compared = diff_with_recipe(prepared.store, prepared.registry, compile_night(prepared).id, "triage")
    assert compared.rows == {"added": 1, "removed": 0, "edited": 0, "relabelled": 0, "moved": 0}
    assert compared.conclusion.startswith("the trial would be trained, because snapshot changed from ")


def test_plan_lists_rungs_in_order(prepared: PreparedNight) -> None:
    prepared.change_recipe(DUMMY, GRID.replace("0.2]}", "0.2]}, pruning: {rungs: [0.25]}"))
    freeze_base(prepared.store, "dummy")
    made = plan(prepared)
    assert list(statuses(made).items())[2:7] == [
        ("trial 0 to 25% of its steps", "would run"),
        ("trial 1 to 25% of its steps", "would run"),
        ("ranking at 25%", "would run"),
        ("trials", "unknown"),
        ("ranking", "would run"),
    ]


def test_plan_compares_estimate_with_budget(prepared: PreparedNight, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = compile_night(prepared)
    train_slowly(prepared, compiled)
    prepared.change_recipe(DUMMY, "train: {trainer: dummy, base: dummy, seed: 7, budget: {gpu_minutes: 1}}")
    made = plan(prepared)
    assert made.estimate
    # 6 examples of 10 tokens, three times, at one token a second.
    assert (made.estimate.seconds, made.estimate.low, made.estimate.high) == (180, 135, 225)
    assert made.over_budget == (
        "training is expected to take 3.0 device minutes, more than the budget of 1: it would stop early"
    )


def test_estimate_includes_all_seeds_of_survivors(prepared: PreparedNight) -> None:
    train_slowly(prepared, compile_night(prepared))
    over = "over: {settings.learning_rate: [0.1, 0.2, 0.3]}, seeds: [1, 2], pruning: {rungs: [0.5], keep: 0.5}"
    prepared.change_recipe(DUMMY, f"train: {{trainer: dummy, base: dummy, trials: {{{over}}}}}")
    made = plan(prepared)
    assert made.estimate
    assert made.estimate.seconds == 180 * (
        0.5 * 6 + 0.5 * 4
    )  # two of three configurations survive, each with both seeds


def train_slowly(prepared: PreparedNight, blueprint: Blueprint) -> None:
    """Store a trial that took a second per token."""
    run(prepared, blueprint, trial=0)
    key = identify_trial(blueprint.content, 0)
    trial = prepared.store.find(Trial, key)
    assert trial
    record = trial.result.model_copy(update={"tokens_per_second": 1.0, "tokens": 60, "examples": 6})
    replace_trial(prepared, Trial(key=key, result=record))


def replace_trial(prepared: PreparedNight, trial: Trial) -> None:
    prepared.store.bucket.delete(manifest_key("trial", trial.id))
    prepared.store.publish(trial)


def test_different_code_refuses_the_run(prepared: PreparedNight) -> None:
    compiled = compile_night(prepared)
    elsewhere = compiled.content.model_copy(update={"code": {**compiled.content.code, "training": "f" * 64}})
    other = prepared.store.publish(compiled.model_copy(update={"content": elsewhere}))
    cannot = r"cannot run here: the code of training has changed"
    with pytest.raises(InputError, match=cannot):
        run(prepared, other)
    with pytest.raises(InputError, match=cannot):
        finetune.compile_blueprint("triage", NIGHT.isoformat(), other.id)
    with pytest.raises(InputError, match=cannot):  # after an upgrade during the night
        finetune.train_trial("triage", NIGHT.isoformat(), other.id, 0)
    made = plan_blueprint(prepared.store, prepared.registry, other.id)
    assert [change.message for change in made.environment_changes] == ["the code of training changed"]
    assert list_environment_changes(prepared.store, other.id)[0].startswith("the code of training has changed")


def test_unchanged_blueprint_is_valid(prepared: PreparedNight) -> None:
    assert verify_blueprint(prepared.store, compile_night(prepared).id) == BlueprintCheck([], [], [])


def test_verify_finds_edited_prompt(prepared: PreparedNight) -> None:
    compiled = compile_night(prepared)
    words = prepared.folder / "prompts" / "triage" / "1.yaml"
    words.write_text("messages: [{role: user, content: 'Team? {{ text }}'}]")
    assert verify_blueprint(prepared.store, compiled.id).recipe == [
        "prompt triage/1 was edited; restore its text, and save the new text as a new version"
    ]


def test_verify_lists_changed_recipe_fields(prepared: PreparedNight) -> None:
    compiled = compile_night(prepared)
    prepared.change_recipe("evaluate:", "gate: {margin: 0.03}\nevaluate:")
    assert verify_blueprint(prepared.store, compiled.id).recipe == ["margin changed from 0.02 to 0.03"]
    prepared.recipe_file.unlink()
    (found,) = verify_blueprint(prepared.store, compiled.id).recipe
    assert found.startswith("no recipe is named 'triage'")


@pytest.mark.torch
@pytest.mark.parametrize("change", ["moved", "changed"])
def test_verify_finds_changed_base_folder(prepared: PreparedNight, tiny_model: Path, change: str) -> None:
    folder = Path(shutil.copytree(tiny_model, prepared.folder / "base"))
    prepared.change_recipe("base: dummy", f"base: {folder}")
    compiled = compile_night(prepared)
    assert verify_blueprint(prepared.store, compiled.id).is_valid
    if change == "changed":
        (folder / "generation_config.json").write_text("{}")
        expected = ": generation_config.json has changed"
    else:
        folder.rename(prepared.folder / "elsewhere")
        expected = f"base model '{folder}' does not exist"
    (found,) = verify_blueprint(prepared.store, compiled.id).recipe
    assert expected in found


def test_verify_separates_inputs_from_recipe(prepared: PreparedNight, s3: Any) -> None:
    compiled = compile_night(prepared)
    key = next(key for key in s3.objects if f"manifests/base/{compiled.content.base}" in key)
    del s3.objects[key]
    found = verify_blueprint(prepared.store, compiled.id)
    assert found.store[0].startswith(f"base {compiled.content.base} is not in the store")
    assert found.installation == []
    made = plan_blueprint(prepared.store, prepared.registry, compiled.id)
    assert statuses(made)["base model"] == "missing"


def test_verify_finds_undeclared_variable(prepared: PreparedNight, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = compile_night(prepared)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    (found,) = verify_blueprint(prepared.store, compiled.id).installation
    assert found.startswith("ACCELERATE_MIXED_PRECISION=bf16 changes results")
    with pytest.raises(InputError, match="ACCELERATE_MIXED_PRECISION"):
        run(prepared, compiled)


def test_thread_count_refuses_no_run(prepared: PreparedNight, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = compile_night(prepared)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert list_environment_changes(prepared.store, compiled.id)[0].startswith("OMP_NUM_THREADS=1 changes results")
    assert run(prepared, compiled).verdict


def test_replay_is_bit_equal_and_publishes_nothing(prepared: PreparedNight, s3: Any) -> None:
    compiled = compile_night(prepared)
    run(prepared, compiled)
    before = set(s3.objects)
    number = choose_trial(prepared.store, compiled.id, None)
    found = replay_on_device(compiled.id, number, 1e-5)
    assert (number, found["likeness"], found["loss"]) == (0, "bit-equal", 0.0)
    assert set(s3.objects) == before


def test_replay_finds_a_different_adapter(prepared: PreparedNight) -> None:
    compiled = compile_night(prepared)
    run(prepared, compiled)
    (prepared.folder / "other").mkdir()
    (prepared.folder / "other" / "dummy.json").write_text('{"parcel": {"billing": 9}}')
    trial = prepared.store.find(Trial, identify_trial(compiled.content, 0))
    assert trial
    adapter = prepared.store.load(Adapter, trial.result.adapter)
    files = put_folder(prepared.store, prepared.folder / "other")
    content = AdapterContent(base=compiled.content.base, method="lora", files=files)
    other = prepared.store.publish(Adapter(content=content, provenance=adapter.provenance))
    replace_trial(prepared, trial.model_copy(update={"result": trial.result.model_copy(update={"adapter": other.id})}))
    found = replay_on_device(compiled.id, 0, 1e-5)
    assert (found["likeness"], found["reasons"]) == ("different", ["dummy.json has different contents"])


def test_replay_needs_a_finished_trial(prepared: PreparedNight) -> None:
    compiled = compile_night(prepared)
    with pytest.raises(InputError, match=r"trial 0 of .* is not trained yet"):
        choose_trial(prepared.store, compiled.id, None)
    with pytest.raises(InputError, match="plans 1 trial; 3 is not one of them"):
        choose_trial(prepared.store, compiled.id, 3)
    prepared.change_recipe(DUMMY, GRID)
    with pytest.raises(InputError, match=r"the 2 trials of .* are not ranked yet"):
        choose_trial(prepared.store, compile_night(prepared).id, None)


def test_plan_covers_every_finetune_step() -> None:
    assert list(PLANNED) == [step.name for step in STEPS["finetune"]]
