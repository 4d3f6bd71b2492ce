"""Every variable of `nightloom.env` reaches every command, not only our settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from nightloom.cli.main import main
from nightloom.core.connections import resolve_connection
from nightloom.core.env_file import exported_env_file
from nightloom.core.settings import get_settings
from nightloom.processes.devices import list_devices
from nightloom.processes.parent import in_child
from nightloom.recipes.check import load_recipes

LINES = """\
NIGHTLOOM_CONN_WAREHOUSE='postgresql://u:p$${x}@db/t'
HF_ENDPOINT=https://hub.example/
HF_TOKEN=hf_of_the_file
CUDA_VISIBLE_DEVICES=2,5
OWN_SCANNER_KEY=k
"""
OTHERS = ("HF_ENDPOINT", "HF_TOKEN", "CUDA_VISIBLE_DEVICES", "OWN_SCANNER_KEY")


@pytest.fixture(autouse=True)
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path))
    for name in (*OTHERS, "NIGHTLOOM_CONN_WAREHOUSE"):
        monkeypatch.delenv(name, raising=False)
    get_settings.cache_clear()
    (tmp_path / "nightloom.env").write_text(LINES, encoding="utf-8")
    yield
    get_settings.cache_clear()


def test_connection_in_the_file_is_read() -> None:
    assert resolve_connection("warehouse") == "postgresql://u:p$${x}@db/t"


def test_file_comes_before_connections_yaml(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("warehouse: sqlite:///example.db\n", encoding="utf-8")
    assert resolve_connection("warehouse") == "postgresql://u:p$${x}@db/t"


def test_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_CONN_WAREHOUSE", "sqlite:///mine.db")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert resolve_connection("warehouse") == "sqlite:///mine.db"
    with exported_env_file():
        assert list_devices() == []


def test_commands_have_variables_of_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def look() -> tuple[dict, dict]:
        seen.update({name: os.environ.get(name) for name in OTHERS}, devices=list_devices())
        return load_recipes()

    monkeypatch.setattr("nightloom.recipes.check.load_recipes", look)
    assert main(["recipe", "list"]) == 0
    assert seen == {
        "HF_ENDPOINT": "https://hub.example/",
        "HF_TOKEN": "hf_of_the_file",
        "CUDA_VISIBLE_DEVICES": "2,5",
        "OWN_SCANNER_KEY": "k",
        "devices": ["2", "5"],
    }
    assert not set(OTHERS) & os.environ.keys()


def test_child_processes_have_them_too() -> None:
    with exported_env_file():
        assert in_child(list_devices)() == ["2", "5"]


def test_missing_file_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "nightloom.env").unlink()
    before = dict(os.environ)
    with exported_env_file():
        assert dict(os.environ) == before
