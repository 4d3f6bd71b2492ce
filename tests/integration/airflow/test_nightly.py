"""`make nightly` on an Airflow that runs, as the terminal shows it."""

import os
import subprocess
import sys

import pytest
from nightloom.registry.nights import STAGES

from .installation import Installation, tonight

pytestmark = pytest.mark.airflow


def run_nightly(installation: Installation, recipe: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NIGHTLOOM_VAR_DIR": str(installation.folder / "var")}
    command = [sys.executable, "-m", "nightloom.services", "nightly", "--recipe", recipe]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_a_night_is_told_task_by_task(started: Installation) -> None:
    started.write_recipe("by_command")

    done = run_nightly(started, "by_command")

    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.split()[:2] for line in done.stdout.splitlines() if " done " in line]
    assert [task for stage, task in told if stage == "prepare"][:5] == [
        *("open_night", "extract_records", "curate_records", "build_snapshot", "announce"),
    ]
    assert [stage for stage, task in told if task == "announce"] == list(STAGES)
    assert f"{started.folder}/var/reports/by_command/{tonight()}.html" in done.stdout
    assert started.instance.airflow_url in done.stdout
