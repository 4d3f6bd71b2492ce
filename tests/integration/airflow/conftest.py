"""One Airflow for all tests of this folder: everything is begun at once, and the tests look at what came of it."""

from collections.abc import Iterator
from datetime import timedelta

import psutil
import pytest
from nightloom.services.lifecycle import down

from .browser import trigger_in_a_browser
from .installation import Installation, install, minute_from_now, tonight, wait_until


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An Airflow with a broken recipe and none that is sound."""
    folder = tmp_path_factory.mktemp("airflow")
    try:
        installation = install(folder)
        yield installation
        installation.close()
    finally:
        down(folder / "var")


@pytest.fixture(scope="session")
def nights(started: Installation) -> Installation:
    """The same after a night by the cron, three by a backfill, one by hand that was killed, one without a source."""
    started.write_recipe("by_cron", schedule=minute_from_now(20))
    started.write_recipe("by_hand")
    started.write_recipe("no_source", connection="nowhere")
    trigger_in_a_browser(started, "by_hand__prepare")
    started.trigger("no_source__prepare")
    started.wait_for_reports("by_hand", 1)
    _kill_finetune_of_tonight(started)
    started.wait_for_reports("by_cron", 1)
    _backfill(started, "by_cron__prepare", nights=3)
    started.wait_for_reports("by_cron", 4)
    started.wait_for_reports("by_hand", 3)
    started.wait_for_reports("no_source", 1)
    return started


def _kill_finetune_of_tonight(installation: Installation) -> None:
    """Once as somebody does who marks a task as failed, and once as the kernel does."""
    installation.hold_workers("by_hand__finetune")
    run = installation.trigger("by_hand__finetune")
    wait_until(installation.held_workers, timeout_s=180)
    task = f"/dags/by_hand__finetune/dagRuns/{run}/taskInstances/compile_blueprint"
    installation.ask("PATCH", task, json={"new_state": "failed"})
    wait_until(lambda: not installation.held_workers(), timeout_s=180)

    installation.trigger("by_hand__finetune")
    wait_until(installation.held_workers, timeout_s=180)
    installation.release_workers()
    for worker in installation.held_workers():
        psutil.Process(worker.pid).kill()


def _backfill(installation: Installation, dag_id: str, nights: int) -> None:
    first, last = (tonight() - timedelta(days=days) for days in (nights, 1))
    body = {
        "dag_id": dag_id,
        "from_date": f"{first}T00:00:00Z",
        "to_date": f"{last}T23:59:59Z",
        "run_backwards": True,
        "max_active_runs": 1,
        "reprocess_behavior": "none",
        "dag_run_conf": {},
    }
    installation.ask("POST", "/backfills", json=body)
