"""Errors become a message and an exit code. Standard output has only the answer."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from nightloom.cli.main import app, main
from nightloom.core.errors import StoreError
from typer.main import get_command

from .conftest import Command


def test_help_names_every_command(command: Command) -> None:
    code, out, _ = command()
    assert code == 0
    assert all(name in out for name in ("run", "doctor", "recipe", "blueprint", "Exit codes"))


def test_version(command: Command) -> None:
    assert command("--version") == (0, f"{version('nightloom')}\n", "")


def test_group_without_command_shows_help(command: Command) -> None:
    code, out, err = command("recipe")
    assert (code, err) == (2, "")
    assert "check" in out


def test_unknown_command_gets_the_closest(command: Command) -> None:
    assert command("recipe", "chek") == (2, "", "error: No such command 'chek'. Did you mean 'check'?\n")


@pytest.mark.usefixtures("named")
def test_input_error_is_one_message(command: Command) -> None:
    message = "'monday' is not a night; write a date such as 2026-11-23"
    assert command("night", "show", "triage", "--night", "monday") == (2, "", f"error: {message}\n")


@pytest.mark.usefixtures("named")
def test_error_is_json_too(command: Command) -> None:
    code, out, err = command("night", "show", "triage", "--night", "monday", "--json")
    message = "'monday' is not a night; write a date such as 2026-11-23"
    assert json.loads(out) == {"error": {"kind": "InputError", "message": message, "exit_code": 2}}
    assert (code, err) == (2, f"error: {message}\n")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (StoreError("the store is away"), 3, "error: the store is away\n"),
        (OSError(28, "No space left on device"), 3, "error: the operating system reported: No space left on device; "),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=["fault", "disk", "interrupt"],
)
def test_fault_has_its_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("nightloom.recipes.check.load_recipes", fail)
    found, out, err = command("recipe", "list")
    assert (found, out) == (code, "")
    assert err.startswith(message)


def test_unexpected_error_shows_traceback(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightloom.recipes.check.load_recipes", lambda: 1 / 0)
    code, _, err = command("recipe", "list")
    assert code == 3
    assert "Traceback" in err
    assert err.endswith("error: unexpected ZeroDivisionError in Nightloom; report it with the traceback above\n")


def test_every_command_takes_json() -> None:
    group = get_command(app)
    commands = [c for g in group.commands.values() for c in getattr(g, "commands", {"": g}).values()]
    assert len(commands) == 41
    assert [c.name for c in commands if not any("--json" in p.opts for p in c.params)] == []


def test_help_needs_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "great_expectations", "pandas", "polars", "sqlalchemy", "pydantic", "airflow")
    code = f"import sys, nightloom.cli.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_arguments_default_to_the_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["nightloom", "--version"])
    assert main() == 0
    assert capsys.readouterr().out == f"{version('nightloom')}\n"
