"""Steps: arguments and results of tasks."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from nightloom.core.connections import resolve_connection
from nightloom.core.nights import Stop
from nightloom.nightly import finetune
from nightloom.orchestration import steps
from nightloom.orchestration.steps import StepOperator


def make_step(name: str, **given: Any) -> StepOperator:
    return StepOperator(task_id=name, step=name, recipe="triage", stage="finetune", timezone="Asia/Tokyo", **given)


def make_context(night: str | None = None, key: str | None = None, logical: datetime | None = None) -> dict[str, Any]:
    run = SimpleNamespace(logical_date=logical, run_after=datetime(2026, 11, 22, 16, tzinfo=UTC), partition_key=key)
    return {"params": {"night": night}, "dag_run": run}


@pytest.mark.parametrize(
    ("context", "night"),
    [
        pytest.param(make_context(), "2026-11-23", id="empty form: the date of the run in the recipe's time zone"),
        pytest.param(make_context(logical=datetime(2026, 11, 3, tzinfo=UTC)), "2026-11-03", id="back-dated"),
        pytest.param(make_context(key="2026-11-20"), "2026-11-20", id="partition"),
        pytest.param(make_context(night="2026-11-19", key="2026-11-20"), "2026-11-19", id="form before partition"),
    ],
)
def test_run_has_one_night(context: Any, night: str) -> None:
    assert make_step("compile_blueprint").night_of(context) == night


def test_step_gets_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    def train_trial(recipe: str, night: str, blueprint_id: str, trial_no: int, rung: int | None = None) -> list[object]:
        return [recipe, night, blueprint_id, trial_no, rung]

    monkeypatch.setattr(finetune, "train_trial", train_trial)
    to_the_end = make_step("train_trial", arguments={"blueprint_id": "ab"}, over="trial_no", item=3)
    to_a_rung = make_step("train_trial", arguments={"blueprint_id": "ab", "rung": 1}, over="trial_no", item=3)
    context: Any = make_context(key="2026-11-20")
    assert to_the_end.execute(context) == ["triage", "2026-11-20", "ab", 3, None]
    assert to_a_rung.execute(context) == ["triage", "2026-11-20", "ab", 3, 1]


def test_stop_skips_later_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "compile_blueprint", lambda recipe, night: Stop("nothing_new", "no new rows"))
    with pytest.raises(AirflowSkipException, match="no new rows"):
        make_step("compile_blueprint").execute(make_context())  # type: ignore[arg-type]


def test_airflow_connections_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", "sqlite:///from_environment.db")
    monkeypatch.setattr(steps, "find_airflow_connection", lambda name: f"sqlite:///{name}_of_airflow.db")
    monkeypatch.setattr(finetune, "list_trials", lambda *_: resolve_connection("tickets"))
    assert make_step("list_trials").execute(make_context()) == "sqlite:///tickets_of_airflow.db"  # type: ignore[arg-type]


def test_validating_task_links_to_data_docs() -> None:
    key: Any = SimpleNamespace(dag_id="triage__prepare", run_id="manual__2026-11-23T01:00:00+00:00")
    links = {
        link.name: link.get_link(make_step("x"), ti_key=key)
        for link in make_step("curate_records").operator_extra_links
    }
    assert links == {
        "Report": "/nightloom/dags/triage__prepare/runs/manual__2026-11-23T01%3A00%3A00%2B00%3A00/report",
        "Data Docs": "/nightloom/dags/triage__prepare/runs/manual__2026-11-23T01%3A00%3A00%2B00%3A00/docs",
    }
    assert [link.name for link in make_step("extract_records").operator_extra_links] == ["Report"]
