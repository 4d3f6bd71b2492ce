"""One Airflow for the tests of one file: all nights start at once, and the tests check the results.

It is stopped before the next file is run: what trains there would wait for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import psutil
import pytest
from nightloom.embedded.lifecycle import down
from nightloom.registry.members import list_newest

from .browser import trigger_in_a_browser
from .installation import DEVICES, Installation, install, tonight, wait_until, write_recipe


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An Airflow with one broken and three valid recipes, on a machine that reports two GPUs."""
    folder = tmp_path_factory.mktemp("airflow")
    try:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv(*DEVICES)
            installation = install(folder)
        yield installation
        installation.close()
    finally:
        down(folder / "var")


@dataclass(frozen=True)
class Output:
    """Exit code and output of `make nightly`."""

    code: int
    text: str


@pytest.fixture(scope="module")
def _begun(started: Installation) -> tuple[Installation, Output]:
    """All nights at once: each waits for its own most of the time."""
    started.hold_children("by_command__finetune", "train_to_rung_1")
    with started.begin_nightly("by_command") as command:
        # It gets its Dags while Airflow runs, when the files are parsed again.
        write_recipe(started.folder, "no_source", connection="nowhere")
        _kill_training(started)
        started.hold_children("by_hand__finetune", "train_to_rung_1")
        trigger_in_a_browser(started, "by_hand__prepare")
        started.wait_for_dags("no_source")
        started.trigger("no_source__prepare")
        _fail_training(started, "by_hand__finetune")
        # A Dag that the cron never started would start for tonight too, once a backfill is over.
        started.wait_for_champion("by_cron")
        _backfill(started, "by_cron__prepare", nights=2)
        text, _ = command.communicate(timeout=900)
    (blueprint,) = list_newest(started.database, "blueprint", "by_command")
    started.trigger("by_command__finetune", blueprint=blueprint.manifest)
    for recipe, nights in {"by_cron": 3, "by_command": 2, "by_hand": 1, "no_source": 1}.items():
        started.wait_for_reports(recipe, nights)
    return started, Output(command.returncode, text)


@pytest.fixture(scope="module")
def nights(_begun: tuple[Installation, Output]) -> Installation:
    """An Airflow after nights by command and killed, by cron, by backfill, by hand and failed, and without a source."""
    return _begun[0]


@pytest.fixture(scope="module")
def output(_begun: tuple[Installation, Output]) -> Output:
    """Output of `make nightly` for the recipe `by_command`."""
    return _begun[1]


def _kill_training(installation: Installation) -> None:
    """Kill the child processes that train, as the kernel does."""
    wait_until(lambda: len(installation.held_children()) == 2, timeout_s=300)
    installation.release_children()
    for child in installation.held_children():
        psutil.Process(child.pid).kill()


def _fail_training(installation: Installation, dag_id: str) -> None:
    """Mark the training tasks as failed, as a person does who wants to end them."""
    wait_until(lambda: len(installation.held_children()) == 2, timeout_s=300)
    (run,) = installation.ask("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"]
    # Those first that wait for the pool: one that is just being started may start though it is marked.
    for number in reversed(range(4)):
        task = f"/dags/{dag_id}/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances/train_to_rung_1/{number}"
        installation.ask("PATCH", task, json={"new_state": "failed"})
    wait_until(lambda: not installation.held_children(), timeout_s=180)
    installation.release_children()


def _backfill(installation: Installation, dag_id: str, nights: int) -> None:
    first, last = (tonight() - timedelta(days=days) for days in (nights, 1))
    body = {
        "dag_id": dag_id,
        "from_date": f"{first}T00:00:00Z",
        "to_date": f"{last}T23:59:59Z",
        "run_backwards": False,
        "max_active_runs": 10,
        "reprocess_behavior": "none",
        "dag_run_conf": {},
    }
    installation.ask("POST", "/backfills", json=body)
