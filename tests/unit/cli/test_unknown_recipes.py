"""Every command that takes a recipe's name refuses one that neither a file nor the registry has."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from nightloom.cli.main import app
from nightloom.core.settings import get_settings
from nightloom.registry.database import Database, open_database

from tests.unit.nightly.test_unopened_nights import dump

from .conftest import Command, PastNight

OTHERS = {
    "name or file": ("recipe", "check", "triagee"),
    "recipe or blueprint": ("blueprint", "plan", "triagee"),
    "option": ("model", "show", "0" * 64, "--recipe", "triagee"),
}


def list_commands(group: typer.core.TyperGroup, *words: str) -> Iterator[tuple[str, ...]]:
    """Return a command line for each command that has an argument `recipe`, with all that it requires."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, typer.core.TyperGroup):
            yield from list_commands(command, *words, name)
        elif any((one.name, one.param_type_name) == ("recipe", "argument") for one in command.params):
            line = [*words, name]
            for one in command.params:
                if one.name == "recipe" and one.param_type_name == "argument":
                    line.append("triagee")
                elif one.required:
                    line += [*one.opts[:1], "."] if one.param_type_name == "option" else ["r1"]
            yield tuple(line)


COMMANDS = {" ".join(line): line for line in list_commands(typer.main.get_command(app))}


def test_all_commands_are_found() -> None:
    assert len(COMMANDS) >= 22
    assert {("night", "list", "triagee"), ("model", "list", "triagee"), ("predictions", "list", "triagee")} <= set(
        COMMANDS.values()
    )


@pytest.mark.usefixtures("night", "named")
@pytest.mark.parametrize("arguments", [*COMMANDS.values(), *OTHERS.values()], ids=[*COMMANDS, *OTHERS])
def test_misspelt_recipe_is_refused(
    command: Command, registry: Database, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    before = dump(registry)
    code, out, err = command(*arguments)
    assert (code, out) == (2, ""), err
    assert f"no recipe is named 'triagee' in {tmp_path / 'recipes'}; did you mean 'triage'? Known: triage\n" in err
    assert dump(registry) == before


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("kind", ["night", "model", "snapshot", "predictions", "blueprint"])
def test_removed_recipe_stays_listable(command: Command, kind: str) -> None:
    code, out, _ = command(kind, "list", "triage")
    assert (code, "2026-11-23" in out) == (0, True)


def test_removed_champion_is_logged(command: Command, night: PastNight, registry: Database) -> None:
    night.promote(night.adapter.id, None, night.verdict.id)
    code, out, _ = command("model", "log", "triage")
    assert (code, "champion" in out) == (0, True)


@pytest.mark.parametrize("text", ["name: triage", "name: ["], ids=["valid name", "broken"])
def test_recipe_without_nights_is_listed(command: Command, tmp_path: Path, text: str) -> None:
    (tmp_path / "recipes" / "triage.yaml").write_text(text, encoding="utf-8")
    assert command("night", "list", "triage") == (0, "triage has no night yet\n", "")


def test_new_installation_names_its_recipes(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path / "new"))
    for cached in (get_settings, open_database):
        cached.cache_clear()
    (tmp_path / "new").mkdir()
    (tmp_path / "recipes" / "sales.yaml").write_text("name: sales", encoding="utf-8")
    code, _, err = command("night", "list", "sale")
    assert (code, "did you mean 'sales'? Known: sales" in err) == (2, True)
    shutil.rmtree(tmp_path / "recipes")
    code, _, err = command("night", "list", "sale")
    assert (code, err.endswith("recipes; add one there\n")) == (2, True)
