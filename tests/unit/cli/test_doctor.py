"""`nightloom doctor`: each failed check names the command that fixes it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from nightloom.cli import doctor_checks
from nightloom.cli.doctor_checks import CheckResult
from nightloom.core.errors import StoreError
from nightloom.core.settings import get_settings
from nightloom.registry.database import Database

from .conftest import Command

VALID = Path(__file__).parents[2] / "golden" / "triage.yaml"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Choose the checks that are made."""
    return lambda *chosen: monkeypatch.setattr(doctor_checks, "CHECKS", chosen)


def test_healthy_machine(command: Command, checks: Callable[..., None]) -> None:
    checks(doctor_checks.registry, doctor_checks.connections)
    assert command("doctor") == (
        0,
        "ok    registry     the ref log is unaltered, 0 moves\n"
        "ok    connections  no recipe uses a database\n"
        "all 2 checks passed\n",
        "",
    )


def test_failed_check_has_its_remedy(command: Command, checks: Callable[..., None]) -> None:
    checks(doctor_checks.airflow)
    code, out, _ = command("doctor")
    assert code == 1
    assert out.splitlines() == [
        "FAIL  airflow      Airflow is not set up",
        "                   → make up",
        "1 of 1 checks failed",
    ]


def test_failing_check_stops_no_other(ask: Callable[..., Any], checks: Callable[..., None]) -> None:
    def store() -> CheckResult:
        message = "the store is away; `nightloom doctor` checks the store"
        raise StoreError(message)

    checks(store, doctor_checks.registry)
    document = ask("doctor")
    assert [result["ok"] for result in document["checks"]] == [False, True]
    assert document["checks"][0]["message"] == "the store is away"
    assert document["checks"][0]["remedy"] == "make up, or correct the NIGHTLOOM_STORE_ settings"


def test_recipe_that_waits_for_data_is_named(
    checks: Callable[..., None], ask: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks(doctor_checks.data)
    text = VALID.read_text(encoding="utf-8").replace("{data}", "/srv")
    (tmp_path / "recipes" / "triage.yaml").write_text(text, encoding="utf-8")
    (result,) = ask("doctor")["checks"]
    assert (result["ok"], result["message"]) == (True, "no recipe reads a data folder")
    waiting = text.replace('{kind: files, path: "/srv/clean.csv"}', "{kind: delta, path: '{data}/clean'}")
    assert waiting != text
    (tmp_path / "recipes" / "triage.yaml").write_text(waiting, encoding="utf-8")
    (result,) = ask("doctor")["checks"]
    assert (result["ok"], "run `make nightly RECIPE=triage DATA=folder`" in result["message"]) == (True, True)
    monkeypatch.setenv("NIGHTLOOM_DATA_DIR", str(tmp_path / "nowhere"))
    get_settings.cache_clear()
    (result,) = ask("doctor")["checks"]
    assert (result["ok"], result["message"]) == (False, f"there is no folder {tmp_path / 'nowhere'}")


@pytest.mark.usefixtures("night")
def test_altered_log_is_found(checks: Callable[..., None], ask: Callable[..., Any], registry: Database) -> None:
    with registry.transaction() as session:
        session.execute(sa.text("UPDATE ref_log SET who = 'mallory'"))
    checks(doctor_checks.registry)
    (result,) = ask("doctor")["checks"]
    assert not result["ok"]
    assert result["message"] == "line 1 of the ref log was altered; restore the registry from a backup"


def test_registry_without_tables_is_found(checks: Callable[..., None], ask: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "registry.db").unlink()
    checks(doctor_checks.registry)
    (result,) = ask("doctor")["checks"]
    assert (result["ok"], result["remedy"]) == (False, "nightloom registry migrate")


@pytest.mark.parametrize(
    ("visible", "torch", "ok", "message"),
    [
        ("", "2.9.1+cpu", True, "no GPU: models run on the CPU"),
        ("0,1", "2.9.1", True, "2 GPUs, torch 2.9.1"),
        ("0", "2.9.1+cpu", False, "1 GPU, torch 2.9.1+cpu"),
    ],
    ids=["none", "usable", "CPU build of torch"],
)
def test_unusable_gpu_is_found(
    visible: str, torch: str, ok: bool, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(doctor_checks, "worker_packages", lambda: {"torch": torch})
    result = doctor_checks.devices()
    assert (result.ok, result.message) == (ok, message)


@pytest.fixture
def _recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(VALID, tmp_path / "recipes")
    (tmp_path / "support_triage").mkdir()
    (tmp_path / "support_triage" / "1.yaml").touch()
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(tmp_path))
    get_settings.cache_clear()


@pytest.mark.usefixtures("_recipe")
def test_unknown_connection_is_found(ask: Callable[..., Any], checks: Callable[..., None]) -> None:
    checks(doctor_checks.recipes, doctor_checks.connections)
    recipes, connections = ask("doctor")["checks"]
    assert (recipes["ok"], recipes["message"]) == (True, "1 valid")
    assert connections["message"].startswith("connection 'tickets' is not known; set NIGHTLOOM_CONN_TICKETS")


@pytest.mark.usefixtures("_recipe")
def test_unreachable_database_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", "sqlite:////nowhere/at/all.db")
    result = doctor_checks.connections()
    message = "tickets at sqlite:////nowhere/at/all.db does not answer: OperationalError"
    assert (result.ok, result.message) == (False, message)


def test_broken_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipes" / "bad.yaml").write_text("name: bad\n")
    result = doctor_checks.recipes()
    assert (result.ok, result.message) == (False, "0 valid, 1 broken")
    assert result.remedy == f"nightloom recipe check {tmp_path}/recipes/bad.yaml"


def test_pins_have_extras_and_hashes(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("airflow[pg]==3.3.2 \\\n    --hash=sha256:00\n# torch==1\nboto3==1.44.5 ; python_version>'3'\n")
    assert doctor_checks._read_pins(lock) == {"airflow": "3.3.2", "boto3": "1.44.5"}


def test_missing_package_is_named() -> None:
    assert doctor_checks._installed("surely-not-installed") == "missing"
