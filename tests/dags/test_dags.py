"""Policies for all Dags, and limits on their parsing."""

import inspect
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from nightloom.core.stages import STAGES, STEPS, Stage, Step, unroll

from .conftest import ROOT, read_dags

SHARED = {
    "maintenance": "verifies the log of refs, and compares the index with the store",
    "nightwatch": "reports every night that is late, and alerts its team",
    "example_tickets": "writes the example's tickets of the coming days",
}
DAGS = [*(f"{recipe}__{stage}" for recipe in ("support_triage", "triage") for stage in STAGES), *SHARED]
HEAVY = {
    "torch",
    "transformers",
    "great_expectations",
    "pandas",
    "datasets",
    "polars",
    "sklearn",
    "boto3",
    "matplotlib",
}


def test_valid_recipes_have_dags(facts: dict[str, Any]) -> None:
    assert sorted(facts["dags"]) == sorted(DAGS)


def test_import_error_lists_all_mistakes(facts: dict[str, Any]) -> None:
    assert list(facts["import_errors"]) == ["broken_recipes.py"]
    error = facts["import_errors"]["broken_recipes.py"]
    assert "torn.yaml:3:1: owmer: `owmer` is not a field here; write `owner`" in error
    assert "torn.yaml:4:11: timezone: 'Asia/Kyoto' is not a known time zone" in error


def test_valid_recipes_cause_no_import_error(recipes: Path, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "triage.yaml").write_text((recipes / "recipes" / "triage.yaml").read_text())
    (tmp_path / "prompts").symlink_to(recipes / "prompts")
    assert read_dags(tmp_path)["import_errors"] == {}


@pytest.mark.parametrize("is_set", [True, False], ids=["set", "not set"])
def test_recipe_without_data_folder_is_not_scheduled(
    recipes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_set: bool
) -> None:
    monkeypatch.delenv("NIGHTLOOM_DATA_DIR", raising=False)
    if is_set:
        monkeypatch.setenv("NIGHTLOOM_DATA_DIR", str(tmp_path))
    text = (recipes / "recipes" / "triage.yaml").read_text()
    gold = 'source: {kind: sql, connection: tickets, query: "SELECT id, body, team FROM gold"}'
    assert gold in text
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "triage.yaml").write_text(text.replace(gold, "source: {kind: files, path: '{data}/gold'}"))
    (tmp_path / "prompts").symlink_to(recipes / "prompts")
    dag = read_dags(tmp_path)["dags"]["triage__prepare"]
    what = "no data folder is set for its paths with {data}; run `make nightly RECIPE=triage DATA=folder`, or set NIGHT"
    assert dag["schedule"].startswith("CronPartitionTimetable" if is_set else "NullTimetable")
    assert (f"Not scheduled: {what}" in dag["description"]) == (not is_set)


def test_task_builds_only_its_dag(recipes: Path) -> None:
    assert sorted(read_dags(recipes, only="triage__finetune")["dags"]) == [*sorted(SHARED), "triage__finetune"]


def test_parsing_imports_no_heavy_library(facts: dict[str, Any]) -> None:
    assert "nightloom" in facts["modules"]
    assert HEAVY.intersection(facts["modules"]) == set()


def test_dag_file_parses_within_a_second(facts: dict[str, Any]) -> None:
    assert sorted(facts["seconds"]) == sorted(path.name for path in (ROOT / "dags").glob("*.py"))
    assert max(facts["seconds"].values()) < 1


def test_plugin_is_loaded(facts: dict[str, Any]) -> None:
    assert facts["apps"] == ["Nightloom console"]
    assert facts["plugin_errors"] == {}


def test_plugins_holds_one_module() -> None:
    assert [path.name for path in (ROOT / "plugins").glob("*.py")] == ["nightloom_console.py"]


@pytest.mark.parametrize("dag_id", DAGS)
def test_dag_has_runbook_and_owner(facts: dict[str, Any], dag_id: str) -> None:
    dag = facts["dags"][dag_id]
    recipe, _, stage = dag_id.rpartition("__")
    assert set(dag["tags"]) == ({"nightloom", recipe, stage} if recipe else {"nightloom"})
    for heading in ("**Goes in:**", "**Comes out:**", "**Safe to run again?**", "**When it is red:**"):
        assert heading in dag["doc"]
    assert dag["description"] == SHARED.get(dag_id, "Sends a ticket to its team.")
    assert {task["owner"] for task in dag["tasks"].values()} == {"support-platform" if recipe else "nightloom"}


@pytest.mark.parametrize("dag_id", DAGS)
def test_dag_runs_one_night_at_a_time(facts: dict[str, Any], dag_id: str) -> None:
    dag = facts["dags"][dag_id]
    assert (dag["max_active_runs"], dag["catchup"], dag["paused"]) == (1, False, False)
    assert dag["start_date"] == "None"  # with one, a new Dag would begin at once


@pytest.mark.parametrize("dag_id", DAGS)
def test_tasks_have_retry_policy(facts: dict[str, Any], dag_id: str) -> None:
    for name, task in facts["dags"][dag_id]["tasks"].items():
        assert task["retries"] == (7 if name.startswith("train_") else 2)
        assert (task["policy"], task["backoff"], task["timeout_s"]) == ("ExceptionRetryPolicy", 2, 12 * 3600)


def test_prepare_starts_by_recipe_schedule(facts: dict[str, Any]) -> None:
    dag = facts["dags"]["triage__prepare"]
    assert (dag["schedule"], dag["zone"]) == ("CronPartitionTimetable 30 2 * * *", "Asia/Tokyo")


def test_maintenance_is_weekly(facts: dict[str, Any]) -> None:
    dag = facts["dags"]["maintenance"]
    assert (dag["schedule"], dag["zone"]) == ("CronTriggerTimetable 0 12 * * 0", "UTC")
    assert sorted(dag["tasks"]) == ["compare_index", "verify_log"]


@pytest.mark.parametrize(
    ("stage", "starts_on", "emits"),
    [
        ("prepare", None, "triage/snapshot"),
        ("finetune", "triage/snapshot", "triage/verdict"),
        ("predict", "triage/verdict", "triage/predictions"),
        ("report", "triage/predictions", "triage/report"),
    ],
)
def test_stage_starts_on_earlier_asset(facts: dict[str, Any], stage: str, starts_on: str | None, emits: str) -> None:
    dag = facts["dags"][f"triage__{stage}"]
    assert dag["asset"] == starts_on
    assert dag["tasks"]["announce"]["outlets"] == [emits]
    assert dag["tasks"]["announce"]["teardown"]
    assert dag["access"] == {"Viewer": ["can_read"]}
    assert dag["params"] == (["blueprint", "night"] if stage == "finetune" else ["night"])


def test_champion_has_its_own_task(facts: dict[str, Any]) -> None:
    task = facts["dags"]["triage__finetune"]["tasks"]["announce_champion"]
    assert task["outlets"] == ["triage/champion"]
    assert task["upstream"] == ["promote_candidate"]
    assert not task["teardown"]


def test_only_model_tasks_use_gpu_pool(facts: dict[str, Any]) -> None:
    pools = {name: task["pool"] for dag in facts["dags"].values() for name, task in dag["tasks"].items()}
    assert {name for name, pool in pools.items() if pool == "gpu"} == {
        "train_to_rung_1",
        "train_to_rung_2",
        "train_trial",
        "prove_parity",
        "compare_candidate",
        "predict_shards",
    }


@pytest.mark.parametrize("stage", STAGES)
def test_steps_of_the_table_are_functions(stage: Stage) -> None:
    module = import_module(f"nightloom.nightly.{stage}")
    for step in STEPS[stage]:
        parameters = list(inspect.signature(getattr(module, step.name)).parameters.values())[1:]
        optional = {one.name for one in parameters if one.default is not one.empty}
        assert {one.name for one in parameters} - {"night"} == set(step.parameters)
        assert optional - {"night"} <= {"rung", "stored_id", "opened_by"}


@pytest.mark.parametrize("stage", STAGES)
def test_arrows_equal_the_table(facts: dict[str, Any], stage: Stage) -> None:
    tasks = {name: task for name, task in facts["dags"][f"triage__{stage}"]["tasks"].items() if task["step"]}
    steps = list(unroll(STEPS[stage], lambda: 2))
    names = [_task_id(step, rung) for step, rung in steps]
    assert list(tasks) == names
    for before, after in pairwise(names):
        assert before in tasks[after]["upstream"]
    for (step, rung), name in zip(steps, names, strict=True):
        given = {*tasks[name]["arguments"], tasks[name]["over"]} - {None}
        assert given == set(step.parameters) - ({"rung"} if rung is None else set())
        assert (tasks[name]["pool"] == "gpu") == step.uses_gpu


def _task_id(step: Step, rung: int | None) -> str:
    return step.name if rung is None else f"{step.name.split('_')[0]}_{'to_' if step.each else ''}rung_{rung + 1}"


def test_rungs_train_and_rank_trials(facts: dict[str, Any]) -> None:
    tasks = facts["dags"]["triage__finetune"]["tasks"]
    line = ["list_trials", "train_to_rung_1", "rank_rung_1", "train_to_rung_2", "rank_rung_2", "train_trial"]
    for before, after in pairwise([*line, "pick_candidate"]):
        assert tasks[after]["upstream"] == [*{"compile_blueprint"} - {before}, before]
    assert {tasks[name]["step"] for name in line if name.startswith("train_")} == {"train_trial"}
    assert {tasks[name]["step"] for name in line if name.startswith("rank_")} == {"rank_trials"}


def test_single_trial_has_no_rungs(facts: dict[str, Any]) -> None:
    assert [name for name in facts["dags"]["support_triage__finetune"]["tasks"] if "rung" in name] == []
