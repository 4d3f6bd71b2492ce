"""`nightloom recipe`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .conftest import Command

GOLDEN = Path(__file__).parents[2] / "golden" / "ten_mistakes.yaml"


def test_check_lists_mistakes_and_fails(command: Command) -> None:
    code, out, err = command("recipe", "check", str(GOLDEN))
    assert (code, err) == (1, "")
    assert f"{GOLDEN}:3:1: ownr: `ownr` is not a field here; write `owner`" in out
    assert out.endswith(f"10 mistakes in {GOLDEN}\n")


def test_check_prints_mistakes_as_json(ask: Callable[..., Any]) -> None:
    document = ask("recipe", "check", str(GOLDEN))
    assert (document["valid"], len(document["mistakes"])) == (False, 10)
    assert document["mistakes"][1] == {
        "line": 4,
        "column": 11,
        "where": "timezone",
        "problem": "'Europe/Berln' is not a known time zone",
        "remedy": "write an IANA name such as Europe/Berlin",
    }


def test_check_of_missing_file_is_refused(command: Command) -> None:
    message = "the file nowhere.yaml does not exist; recipes are YAML files in include/recipes"
    assert command("recipe", "check", "nowhere.yaml") == (2, "", f"error: {message}\n")


def test_list_names_broken_recipes(command: Command, tmp_path: Path) -> None:
    (tmp_path / "recipes" / "triage.yaml").write_text("name: triage\n")
    code, out, _ = command("recipe", "list")
    assert code == 0
    assert "triage  broken" in out


def test_empty_list_has_a_message(command: Command) -> None:
    assert command("recipe", "list") == (0, "there is no recipe yet\n", "")
