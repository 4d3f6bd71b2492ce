"""docs/cli.md has a section for every command, and for no other."""

import re
from pathlib import Path

from nightloom.cli.main import app
from typer.main import get_command

DOC = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_command_has_a_section() -> None:
    commands = {
        f"{name} {inner}".strip()
        for name, group in get_command(app).commands.items()
        for inner in getattr(group, "commands", [""])
    }
    assert set(re.findall(r"^### `nightloom (.+)`$", DOC, re.MULTILINE)) == commands


def test_named_options_exist() -> None:
    group = get_command(app)
    commands = [c for g in group.commands.values() for c in getattr(g, "commands", {"": g}).values()]
    known = {option for command in commands for parameter in command.params for option in parameter.opts}
    named = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", DOC))
    assert named == {
        "--json",
        "--night",
        "--rule",
        "--text",
        "--reason",
        "--yes",
        "--dry-run",
        "--grace-hours",
        "--files",
        "--sample",
        "--base",
        "--champion",
        "--force",
        "--merged",
        "--trial",
        "--tolerance",
    }
    assert named <= known
