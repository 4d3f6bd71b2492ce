"""`make nightly` on an Airflow that runs, as the terminal shows it."""

import pytest
from nightloom.registry.nights import STAGES

from .conftest import Told
from .installation import Installation, tonight

# The first test waits for all of the nights.
pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]


def test_a_night_is_told_task_by_task(nights: Installation, told: Told) -> None:
    assert told.code == 0, told.text
    done = [line.split()[:2] for line in told.text.splitlines() if " done " in line]
    assert [task for stage, task in done if stage == "prepare"][:5] == [
        *("open_night", "extract_records", "curate_records", "build_snapshot", "announce"),
    ]
    assert [stage for stage, task in done if task == "announce"] == list(STAGES)
    assert f"{nights.folder}/var/reports/by_command/{tonight()}.html" in told.text
    assert nights.instance.airflow_url in told.text
