"""Extensions: the example scanner of docs/recipes.md, installed as a package."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nightloom.core import extensions
from nightloom.core.errors import InputError
from nightloom.recipes.rules import check_rules
from nightloom.scanners.clean import clean_text

from tests.factories.checks import make_checks

DOC = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(import re\n.*?)```", DOC, re.DOTALL)
((NAME, TARGET),) = re.findall(r'\[project.entry-points."nightloom.scanners"\]\n(\w+) = "(.*)"', DOC)

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install the documentation's example as a package, with optional lines at its end."""

    def write(more: str = "") -> None:
        (tmp_path / "serials_nightloom.py").write_text(f"{EXAMPLE}{more}\n")
        info = tmp_path / "serials-1.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Name: serials\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[nightloom.scanners]\n{NAME} = {TARGET}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        forget()

    yield write
    forget()


def forget() -> None:
    extensions._find.cache_clear()
    sys.modules.pop("serials_nightloom", None)


def test_redacting_scanner_joins_ours(install: Install) -> None:
    install()
    cleaned = clean_text("SN-4711 of ann@example.com", make_checks(scanners={"serial_numbers": "redact"}))
    assert (cleaned.text, cleaned.repairs) == ("<SERIAL> of <EMAIL_ADDRESS>", ("serial_numbers", "pii"))


def test_refusing_scanner_names_its_kinds(install: Install) -> None:
    install()
    reason = clean_text("SN-4711", make_checks(scanners={"serial_numbers": "quarantine"})).reason
    assert reason
    assert (reason.rule, reason.measured) == ("serial_numbers", "SERIAL")


def test_version_is_part_of_id(install: Install) -> None:
    install("SERIALS = Scanner('serial_numbers', 7, 10, find_serials)")
    assert make_checks(scanners={"serial_numbers": "redact"}).scanners["serial_numbers"] == 7
    assert "serial_numbers" not in make_checks(scanners={"serial_numbers": "keep"}).scanners


def test_other_version_is_refused(install: Install) -> None:
    install()
    checks = make_checks(scanners={"serial_numbers": "redact"})
    install("SERIALS = Scanner('serial_numbers', 2, 10, find_serials)")
    with pytest.raises(InputError, match="has version 2 here, but version 1 is required"):
        clean_text("text", checks)


@pytest.mark.parametrize(
    ("find", "error"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("[Match(0, 99, 'X')]", "ValueError"),
        ("[Match(2, 1, 'X')]", "ValueError"),
        ("[Match(0, 1, text)]", "ValueError"),
    ],
    ids=["it fails", "beyond the text", "backwards", "quotes the text"],
)
def test_fault_shows_no_text(install: Install, find: str, error: str) -> None:
    install(f"SERIALS = Scanner('serial_numbers', 1, 10, lambda text: {find})")
    with pytest.raises(InputError, match=f"scanner 'serial_numbers' failed with {error}; check the package") as raised:
        clean_text("my words", make_checks(scanners={"serial_numbers": "redact"}))
    assert "my words" not in str(raised.value)


def test_missing_scanner_is_named() -> None:
    with pytest.raises(InputError, match=r"registers 'serial_numbers' in nightloom\.scanners; install it"):
        make_checks(scanners={"serial_numbers": "redact"})


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("serial_number", "write `serial_numbers`; known: serial_numbers"),
        ("opinions", "known: serial_numbers"),
        ("secret", "write `secrets` under `prepare` instead"),
    ],
    ids=["close", "far", "ours"],
)
def test_unknown_scanner_suggests_the_closest(install: Install, name: str, remedy: str) -> None:
    install()
    (mistake,) = check_rules({"prepare": {"scanners": {"serial_numbers": "redact", name: "redact"}}}, Path("a.yaml"))
    assert (mistake.path, mistake.remedy) == (("prepare", "scanners", name), remedy)
