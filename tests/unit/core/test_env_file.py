"""Every variable of `nightloom.env` reaches every command, not only our settings."""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from nightloom.cli.main import main
from nightloom.core.connections import resolve_connection
from nightloom.core.env_file import exported_env_file
from nightloom.core.errors import InputError
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


UNREAD = {
    "a colon": (b"HF_TOKEN: SECRET\n", "line 1 of .* is not `NAME=value`"),
    "an open quote": (b"A=1\nNIGHTLOOM_CONN_SHOP='postgresql://u:SECRET@h/d\n", "line 2 of .*, and close its quotes"),
    "another encoding": (b"# caf\xe9\nA=SECRET\n", "is not UTF-8"),
    "two bytes a letter": ("A=SECRET\n".encode("utf-16"), "is not UTF-8"),
}


@pytest.mark.parametrize(("content", "message"), UNREAD.values(), ids=UNREAD)
def test_line_that_is_not_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    (tmp_path / "nightloom.env").write_bytes(content)
    for read in (get_settings, lambda: resolve_connection("shop")):
        with pytest.raises(InputError, match=message):
            read()
    assert main(["recipe", "list"]) == 2
    assert "SECRET" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbfNIGHTLOOM_CONN_SHOP=x\r\n", b"export NIGHTLOOM_CONN_SHOP = x\n\n# end\nALONE\n"],
    ids=["as Windows writes it", "as a shell reads it"],
)
def test_variable_in_other_forms_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "nightloom.env").write_bytes(content)
    assert resolve_connection("shop") == "x"


WRONG = [
    b"shop: postgresql://u:SECRET@h/d: x\n",
    b"shop: @SECRET\n",
    b"shop: caf\xe9\n",
    b"shop: {url: SECRET}\n",
    b"- a",
]


@pytest.mark.parametrize("content", WRONG)
def test_connections_that_are_no_urls_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "connections.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"connections\.yaml is not .*write one `name: URL` per line") as refusal:
        resolve_connection("shop")
    assert "SECRET" not in "".join(traceback.format_exception(refusal.value))


def test_connections_may_be_comments_alone(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("# shop: sqlite:///x\n", encoding="utf-8")
    with pytest.raises(InputError, match="connection 'shop' is not known"):
        resolve_connection("shop")
