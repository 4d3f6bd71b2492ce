"""`nightloom doctor`: each finding has the command that mends it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from nightloom.cli import doctor_checks
from nightloom.cli.doctor_checks import Finding
from nightloom.core.errors import StoreError
from nightloom.core.settings import get_settings
from nightloom.registry.database import Database

from .conftest import Command

SOUND = Path(__file__).parents[2] / "golden" / "triage.yaml"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Choose the checks that are made."""
    return lambda *chosen: monkeypatch.setattr(doctor_checks, "CHECKS", chosen)


def test_healthy_machine(command: Command, checks: Callable[..., None]) -> None:
    checks(doctor_checks.registry, doctor_checks.connections)
    assert command("doctor") == (
        0,
        "ok   registry     the log of 0 moves is whole\nok   connections  no recipe names one\nall is well\n",
        "",
    )


def test_wrong_check_has_its_remedy(command: Command, checks: Callable[..., None]) -> None:
    checks(doctor_checks.airflow)
    code, out, _ = command("doctor")
    assert code == 1
    assert out.splitlines() == [
        "BAD  airflow      no Airflow is set up",
        "                  → make up",
        "1 of 1 checks found something wrong",
    ]


def test_check_that_fails_stops_no_other(ask: Callable[..., Any], checks: Callable[..., None]) -> None:
    def store() -> Finding:
        message = "the store is away; `nightloom doctor` checks the store"
        raise StoreError(message)

    checks(store, doctor_checks.registry)
    document = ask("doctor")
    assert [finding["ok"] for finding in document["findings"]] == [False, True]
    assert document["findings"][0]["sentence"] == "the store is away"
    assert document["findings"][0]["remedy"] == "make up, or correct the NIGHTLOOM_STORE_ settings"


@pytest.mark.usefixtures("night")
def test_log_that_was_altered_is_found(
    checks: Callable[..., None], ask: Callable[..., Any], registry: Database
) -> None:
    with registry.transaction() as session:
        session.execute(sa.text("UPDATE ref_log SET who = 'nobody'"))
    checks(doctor_checks.registry)
    (finding,) = ask("doctor")["findings"]
    assert not finding["ok"]
    assert finding["sentence"] == "line 1 of the ref log was altered; restore the registry from a backup"


def test_registry_without_tables_is_found(checks: Callable[..., None], ask: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "registry.db").unlink()
    checks(doctor_checks.registry)
    (finding,) = ask("doctor")["findings"]
    assert (finding["ok"], finding["remedy"]) == (False, "nightloom registry migrate")


@pytest.mark.parametrize(
    ("visible", "torch", "ok", "sentence"),
    [
        ("", "2.9.1+cpu", True, "no GPU: models are trained and asked on the processors"),
        ("0,1", "2.9.1", True, "2 GPUs, torch 2.9.1"),
        ("0", "2.9.1+cpu", False, "1 GPU, torch 2.9.1+cpu"),
    ],
    ids=["none", "usable", "torch for processors"],
)
def test_a_gpu_that_torch_cannot_use_is_found(
    visible: str, torch: str, ok: bool, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(doctor_checks, "worker_packages", lambda: {"torch": torch})
    finding = doctor_checks.devices()
    assert (finding.ok, finding.sentence) == (ok, sentence)


@pytest.fixture
def _recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(SOUND, tmp_path / "recipes")
    (tmp_path / "support_triage").mkdir()
    (tmp_path / "support_triage" / "1.yaml").touch()
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(tmp_path))
    get_settings.cache_clear()


@pytest.mark.usefixtures("_recipe")
def test_connection_that_nobody_knows(ask: Callable[..., Any], checks: Callable[..., None]) -> None:
    checks(doctor_checks.recipes, doctor_checks.connections)
    recipes, connections = ask("doctor")["findings"]
    assert (recipes["ok"], recipes["sentence"]) == (True, "1 sound")
    assert connections["sentence"].startswith("connection 'tickets' is not known; set NIGHTLOOM_CONN_TICKETS")


@pytest.mark.usefixtures("_recipe")
def test_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", "sqlite:////nowhere/at/all.db")
    finding = doctor_checks.connections()
    sentence = "tickets at sqlite:////nowhere/at/all.db does not answer: OperationalError"
    assert (finding.ok, finding.sentence) == (False, sentence)


def test_broken_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipes" / "bad.yaml").write_text("name: bad\n")
    finding = doctor_checks.recipes()
    assert (finding.ok, finding.sentence) == (False, "0 sound, 1 broken")
    assert finding.remedy == f"nightloom recipe check {tmp_path}/recipes/bad.yaml"


def test_pins_are_read_with_extras_and_hashes(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("airflow[pg]==3.3.2 \\\n    --hash=sha256:00\n# torch==1\nboto3==1.44.5 ; python_version>'3'\n")
    assert doctor_checks._read_pins(lock) == {"airflow": "3.3.2", "boto3": "1.44.5"}


def test_missing_package_is_named() -> None:
    assert doctor_checks._installed("surely-not-installed") == "missing"
