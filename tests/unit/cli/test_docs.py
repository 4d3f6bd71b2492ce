"""docs/cli.md has a section for every command, and for no other."""

import re
import shlex
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


def test_every_option_is_documented() -> None:
    head, *sections = re.split(r"^### `nightloom (.+)`$", DOC, flags=re.MULTILINE)
    documented = {
        name: set(re.findall(r"--[a-z-]+", head + text))
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }
    for name, group in get_command(app).commands.items():
        for inner, command in getattr(group, "commands", {"": group}).items():
            options = {one for parameter in command.params for one in parameter.opts if one.startswith("--")}
            assert options <= documented[f"{name} {inner}".strip()], (name, inner)


def test_named_options_exist() -> None:
    group = get_command(app)
    commands = [c for g in group.commands.values() for c in getattr(g, "commands", {"": g}).values()]
    known = {option for command in commands for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z]+(?:-[a-z]+)*", DOC)) <= known | {"--help"}


def test_every_answer_is_a_command_that_parses(tmp_path: Path) -> None:
    (tmp_path / "recipes" / "support_triage.yaml").write_text("name: support_triage", encoding="utf-8")
    page = DOC.partition("## How do I …")[2]
    blocks = re.findall(r"^```\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.findall(r"nightloom (.+)$", block, re.MULTILINE)]
    assert len(lines) == 9
    for line in lines:
        name, *given = shlex.split(line)
        command = get_command(app).commands[name]
        if inner := getattr(command, "commands", None):
            command = inner[given.pop(0)]
        command.make_context(name, given)


def test_every_question_has_an_answer() -> None:
    page = DOC.partition("## How do I …")[2]
    questions = re.split(r"^\*\*.+\?\*\*", page, flags=re.MULTILINE)[1:]
    assert len(questions) == 12
    assert [one for one in questions if "```" not in one and "Missing:" not in one] == []
