"""Nights that a real scheduler ran: by `make nightly`, the cron, a backfill, by hand; killed, and without a source."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from nightloom.artifacts.training import Ranking
from nightloom.core.nights import parse_night
from nightloom.core.stages import STAGES
from nightloom.core.store import connect_store
from nightloom.nightly.chain import run_night
from nightloom.registry.members import list_newest
from nightloom.registry.nights import StageOutcome, read_outcome
from nightloom.registry.refs import read_log_tail

from tests.conftest import point_settings_to
from tests.integration.nights.conftest import steps_in_this_process

from .browser import CHROMIUM, logged_in
from .conftest import Output
from .installation import Installation, tonight

# The first test waits for all of the nights.
pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]

TONIGHT = tonight().isoformat()
PAST = [(tonight() - timedelta(days=days)).isoformat() for days in (2, 1)]


def read_outcomes(nights: Installation, recipe: str, night: str) -> dict[str, StageOutcome]:
    found = {stage: read_outcome(nights.database, recipe, parse_night(night), stage) for stage in STAGES}
    return {stage: outcome for stage, outcome in found.items() if outcome is not None}


def outcomes(nights: Installation, recipe: str, night: str) -> dict[str, str]:
    return {stage: outcome.status for stage, outcome in read_outcomes(nights, recipe, night).items()}


def manifests(nights: Installation, recipe: str, night: str) -> dict[str, str | None]:
    return {stage: outcome.manifest for stage, outcome in read_outcomes(nights, recipe, night).items()}


def find_ranking(nights: Installation, blueprint: str, rung: int) -> Ranking.Result:
    store = connect_store(nights.instance.settings())
    found = store.find(Ranking, Ranking.Key(blueprint=blueprint, rung=rung))
    assert found is not None
    return found.result


def manifests_by_night(nights: Installation, kind: str, recipe: str) -> list[str]:
    return sorted(str(one.night) for one in list_newest(nights.database, kind, recipe))


def test_night_is_logged_by_task(nights: Installation, output: Output) -> None:
    assert output.code == 0, output.text
    done = [line.split()[:2] for line in output.text.splitlines() if " done " in line]
    assert [task for stage, task in done if stage == "prepare"][:5] == [
        *("open_night", "extract_records", "curate_records", "build_snapshot", "announce"),
    ]
    assert [stage for stage, task in done if task == "announce"] == list(STAGES)
    assert f"{nights.folder}/var/reports/by_command/{TONIGHT}.html" in output.text
    assert nights.instance.airflow_url in output.text


def test_cron_runs_in_the_recipe_timezone(nights: Installation) -> None:
    (run,) = nights.runs("by_cron", "prepare", run_type="scheduled")
    assert (run["partition_key"], run["state"]) == (TONIGHT, "success")
    assert outcomes(nights, "by_cron", TONIGHT) == dict.fromkeys(STAGES, "done")


def test_night_without_airflow_gives_same_digests(nights: Installation, tmp_path: Path) -> None:
    point_settings = point_settings_to(nights.instance)
    folders = {"RECIPES_DIR": f"{nights.folder}/recipes", "PROMPTS_DIR": f"{nights.folder}/prompts"}
    source = f"sqlite:///{nights.folder}/tickets.db"
    with steps_in_this_process(), point_settings(tmp_path, STORE_PREFIX="alone/", CONN_TICKETS=source, **folders):
        alone = {outcome.stage: outcome.manifest for outcome in run_night("by_cron", TONIGHT, lambda *_: None)}
    for stage in ("prepare", "finetune", "predict"):  # a report contains durations
        assert alone[stage] == manifests(nights, "by_cron", TONIGHT)[stage]


def test_plain_trigger_starts_tonights_chain(nights: Installation) -> None:
    (run,) = nights.runs("by_hand", "prepare")
    assert (run["run_type"], run["partition_key"], run["state"]) == ("manual", None, "success")
    assert nights.runs("by_hand", "finetune")[0]["partition_key"] == TONIGHT
    assert nights.reports("by_hand") == [TONIGHT]


@pytest.mark.parametrize("night", PAST)
def test_backfill_runs_each_past_night(nights: Installation, night: str) -> None:
    (run,) = nights.runs("by_cron", "prepare", partition_key_pattern=night)
    assert (run["run_type"], run["state"]) == ("backfill", "success")
    assert outcomes(nights, "by_cron", night)["prepare"] == "done"
    assert outcomes(nights, "by_cron", night)["report"] == "done"


def test_backfill_begins_nights_in_order(nights: Installation) -> None:
    began = [read_outcomes(nights, "by_cron", night)["prepare"].started_at for night in PAST]
    assert began == sorted(began)


@pytest.mark.parametrize(("kind", "asset"), [("preparation", "snapshot"), ("verdict", "verdict"), ("report", "report")])
def test_night_leaves_one_of_each(nights: Installation, kind: str, asset: str) -> None:
    assert manifests_by_night(nights, kind, "by_cron") == [*PAST, TONIGHT]
    assert sorted(event["partition_key"] for event in nights.events("by_cron", asset)) == [*PAST, TONIGHT]


def test_champion_never_goes_back(nights: Installation) -> None:
    moves = [move for move in read_log_tail(nights.database, "by_cron") if move.name == "champion"]
    assert [str(move.night) for move in moves] == [TONIGHT]
    (event,) = nights.events("by_cron", "champion")
    assert (event["partition_key"], event["extra"]["champion"]) == (TONIGHT, moves[0].new)


def test_event_contains_the_stage_outcome(nights: Installation) -> None:
    event = nights.events("by_cron", "snapshot")[0]
    assert set(event["extra"]) == {"night", "status", "message", "manifest"}
    assert (event["extra"]["night"], event["extra"]["status"]) == (TONIGHT, "done")


def test_better_half_trains_to_the_end(nights: Installation) -> None:
    run = nights.runs("by_command", "finetune")[0]
    assert nights.labels(run, "train_to_rung_1") == {f"trial {number}": "success" for number in range(4)}
    (blueprint,) = list_newest(nights.database, "blueprint", "by_command")
    rankings = [find_ranking(nights, blueprint.manifest, rung) for rung in (0, 1)]
    assert nights.labels(run, "train_trial") == {f"trial {number}": "success" for number in rankings[0].survivors}
    assert [len(ranking.survivors) for ranking in rankings] == [2, 1]


def test_every_training_task_leases_a_device(nights: Installation) -> None:
    run = nights.runs("by_command", "finetune")[0]
    logs = nights.last_logs(run, "train_to_rung_1")
    assert len(logs) == 4
    assert all(("device one: leased" in log) != ("device other: leased" in log) for log in logs)
    assert nights.ask("GET", "/pools/gpu")["slots"] == 2


def test_ended_task_ends_its_child(nights: Installation) -> None:
    (killed,) = nights.runs("by_hand", "finetune")
    tasks = nights.tasks(killed)
    assert killed["state"] == "failed"
    assert set(nights.labels(killed, "train_to_rung_1").values()) == {"failed"}
    assert (tasks["rank_rung_1"], tasks["train_trial"], tasks["announce"]) == (
        "upstream_failed",
        "upstream_failed",
        "success",
    )
    assert nights.held_children() == []


def test_killed_stage_is_announced_as_failed(nights: Installation) -> None:
    (event,) = nights.events("by_hand", "verdict")
    assert event["extra"]["status"] == "failed"
    assert outcomes(nights, "by_hand", TONIGHT) == {
        "prepare": "done",
        "finetune": "failed",
        "predict": "nothing_new",
        "report": "done",
    }


def test_killed_child_is_retried(nights: Installation) -> None:
    run = nights.runs("by_command", "finetune")[0]
    assert run["state"] == "success"
    logs = [nights.log(run, "train_to_rung_1", map_index=number) for number in range(4)]
    assert sum("was killed by SIGKILL" in log for log in logs) == 2
    assert outcomes(nights, "by_command", TONIGHT) == dict.fromkeys(STAGES, "done")
    assert len([move for move in read_log_tail(nights.database, "by_command") if move.name == "champion"]) == 1


def test_stored_blueprint_moves_no_ref(nights: Installation) -> None:
    run = nights.runs("by_command", "finetune")[1]
    assert nights.tasks(run)["announce_champion"] == "skipped"
    assert len(nights.events("by_command", "champion")) == 1
    message = read_outcomes(nights, "by_command", TONIGHT)["finetune"].message
    assert message.endswith("was chosen by hand, so no ref moves")


def test_unreachable_source_sends_an_alert(nights: Installation) -> None:
    assert outcomes(nights, "no_source", TONIGHT) == {
        "prepare": "failed",
        "finetune": "nothing_new",
        "predict": "nothing_new",
        "report": "done",
    }
    states = {stage: nights.runs("no_source", stage)[0]["state"] for stage in STAGES}
    assert states == {"prepare": "failed", "finetune": "success", "predict": "success", "report": "success"}
    (run,) = nights.runs("no_source", "report")
    assert f"ALERT no_source, night {TONIGHT}, needs attention from support-platform: prepare failed: " in nights.log(
        run, "send_alerts"
    )


def test_night_without_training_skips_tasks(nights: Installation) -> None:
    (run,) = nights.runs("no_source", "finetune")
    assert {name: state for name, state in nights.tasks(run).items() if state != "skipped"} == {"announce": "success"}


def test_broken_recipe_is_an_import_error(nights: Installation) -> None:
    (error,) = nights.ask("GET", "/importErrors")["import_errors"]
    assert error["filename"].endswith("broken_recipes.py")
    assert "torn.yaml:1" in error["stack_trace"]


def test_plugin_is_loaded(nights: Installation) -> None:
    (plugin,) = [p for p in nights.ask("GET", "/plugins")["plugins"] if p["name"] == "nightloom_console"]
    assert [view["destination"] for view in plugin["external_views"]] == ["dag_run"]
    assert [app["name"] for app in plugin["fastapi_apps"]] == ["Nightloom console"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_run_shows_its_report(nights: Installation, stage: str) -> None:
    run = nights.runs("by_cron", stage, partition_key_pattern=TONIGHT)[0]
    answer = nights.page(nights.report_path(run))
    assert answer.status_code == 200
    assert TONIGHT in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_report_requires_a_login(nights: Installation) -> None:
    path = nights.report_path(nights.runs("by_cron", "report")[0])
    url = nights.instance.airflow_url + path
    assert httpx.get(url, trust_env=False).status_code == 401
    assert httpx.get(url, cookies={"_token": nights.token}, trust_env=False).status_code == 200


def test_task_links_to_the_report(nights: Installation) -> None:
    run = nights.runs("by_cron", "report")[0]
    links = nights.ask("GET", f"/dags/by_cron__report/dagRuns/{run['dag_run_id']}/taskInstances/write_report/links")
    assert links["extra_links"] == {"Report": nights.report_path(run)}


@pytest.mark.ui
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_report_is_a_tab_of_the_run(nights: Installation) -> None:
    run = nights.runs("by_cron", "report")[0]
    with logged_in(nights, f"/dags/by_cron__report/runs/{run['dag_run_id']}") as page:
        page.get_by_role("link", name="Report", exact=True).click()
        text = page.frame_locator("iframe").locator("body").inner_text()
    assert TONIGHT in text
