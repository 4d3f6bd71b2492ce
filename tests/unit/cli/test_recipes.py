"""`nightloom recipe`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore

from .conftest import Command, PastNight

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


RECIPE = """\
name: triage
owner: support
task:
  columns: {text: body}
  answer: {squad: {column: team}}
  primary: squad
  prompt: triage/1
prepare: {source: {kind: files, path: /tickets.csv}}
train: {trainer: dummy, base: dummy}
evaluate:
  sets: [{name: gold, source: {kind: files, path: /gold.csv}, columns: {text: body}}]
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe whose field was renamed after its champion was trained."""
    (tmp_path / "prompts" / "triage").mkdir(parents=True)
    (tmp_path / "prompts" / "triage" / "1.yaml").write_text("messages: [{role: user, content: '{{ text }}'}]")
    monkeypatch.setenv("NIGHTLOOM_PROMPTS_DIR", str(tmp_path / "prompts"))
    file = tmp_path / "recipes" / "triage.yaml"
    file.write_text(RECIPE)
    return file


def test_check_reports_a_drifted_champion(ask: Callable[..., Any], night: PastNight, recipe: Path) -> None:
    document = ask("recipe", "check", str(recipe))
    assert document["valid"]
    assert document["notes"] == [
        f"champion {night.adapter.id[:12]} answers team as JSON, but the recipe asks for squad as JSON; if the next "
        f"night does not replace it, `nightloom model promote ADAPTER triage --reason TEXT` does"
    ]
    recipe.write_text(RECIPE.replace("squad", "team"))
    assert ask("recipe", "check", str(recipe))["notes"] == []


def test_check_needs_no_installation(command: Command, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = recipe.parent / "none" / "registry.db"
    monkeypatch.setenv("NIGHTLOOM_REGISTRY_URL", f"sqlite:///{registry}")
    get_settings.cache_clear()
    assert command("recipe", "check", str(recipe)) == (0, f"{recipe} is valid\n", "")
    assert not registry.parent.exists()


def test_rollback_reports_a_drifted_champion(
    command: Command, night: PastNight, store: ObjectStore, recipe: Path
) -> None:
    second = night.keep(
        Adapter(
            content=AdapterContent(base="a" * 64, method="lora", files=()),
            provenance=AdapterProvenance(blueprint=night.blueprint.id, trial=0),
        )
    )
    night.promote(second.id, night.adapter.id, "f" * 64)
    code, out, _ = command("model", "rollback", "triage", "--reason", "answers in French")
    assert code == 0
    assert out.splitlines()[1] == (
        f"note: champion {night.adapter.id[:12]} answers team as JSON, but the recipe asks for squad as JSON; it "
        f"answers so until another one is promoted"
    )
