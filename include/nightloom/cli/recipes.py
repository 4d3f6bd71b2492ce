"""`nightloom recipe`: check a recipe, list all."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.cli.output import AsJson, show, table
from nightloom.core.counts import show_count
from nightloom.core.errors import InputError, NightloomError

if TYPE_CHECKING:
    from nightloom.nightly.source_check import PartCheck
    from nightloom.recipes.schema import Recipe

app = typer.Typer(name="recipe", help="Recipes: check one, list all.", no_args_is_help=True)


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe, or its YAML file.")],
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            show_default=False,
            exists=True,
            file_okay=False,
            resolve_path=True,
            help="With --data: the folder for {data} in its paths.",
        ),
    ] = None,
    *,
    data: Annotated[bool, typer.Option("--data", help="Read a few rows of every source, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Report all mistakes of a recipe: line, what is wrong, what to write. Exit 1 if there is one."""
    from nightloom.core.settings import get_settings
    from nightloom.recipes.check import format_mistakes, read_recipe

    file, suites = _find_file(name), get_settings().expectations_dir
    if folder and not data:
        msg = f"a folder is used only with --data; write `nightloom recipe check {name} --data {folder}`"
        raise InputError(msg)
    recipe, mistakes = read_recipe(file)
    document: dict[str, Any] = {
        "file": str(file),
        "valid": not mistakes,
        "mistakes": [asdict(mistake) for mistake in mistakes],
        "expectations_dir": str(suites),
        "notes": [],
    }
    if recipe is None or mistakes:
        lines = [format_mistakes(file, mistakes), f"{show_count(len(mistakes), 'mistake')} in {file}"]
    else:
        document["notes"] = _list_notes(recipe)
        lines = [f"{file} is valid", f"suites are read from {suites}; the standard ones come with Nightloom"]
        lines += [f"note: {note}" for note in document["notes"]]
        if data:
            from nightloom.nightly.source_check import check_parts

            parts = check_parts(recipe, folder)
            document["parts"] = [_describe_part(part) for part in parts]
            document["valid"] = not any(part.problem for part in parts)
            lines.append(_list_parts(parts))
    show(document, "\n".join(lines), as_json=as_json)
    raise typer.Exit(0 if document["valid"] else 1)


def _list_notes(recipe: "Recipe") -> list[str]:
    """Return what the file's owner should know, though it is no mistake: the champion answers something else."""
    from sqlalchemy import make_url

    from nightloom.core.settings import get_settings
    from nightloom.promotion.drift import describe_champion, name_replacement
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    registry = make_url(get_settings().registry_address)
    if registry.get_backend_name() == "sqlite" and not Path(registry.database or "").exists():
        return []  # A file can be checked where there is no installation, and opening would create the database.
    try:
        drift = describe_champion(open_store(), open_database(), recipe)
    except NightloomError:
        return []  # The file is valid, whatever is down.
    remedy = f"if the next night does not replace it, {name_replacement(recipe.name)} does"
    return [f"{drift}; {remedy}"] if drift else []


@app.command("list")
def list_recipes(*, as_json: AsJson = False) -> None:
    """List all recipes, valid and broken."""
    from nightloom.recipes.check import load_recipes

    valid, broken = load_recipes()
    document = {
        "recipes": [recipe.model_dump(mode="json") for recipe in valid.values()],
        "broken": [{"file": file, "mistakes": len(mistakes)} for file, mistakes in broken.items()],
    }
    rows = [[r.name, "valid", r.owner, r.schedule, r.timezone, r.description.strip()] for r in valid.values()]
    rows += [
        [
            Path(file).stem,
            "broken",
            "-",
            "-",
            "-",
            f"{show_count(len(mistakes), 'mistake')}: `nightloom recipe check {file}`",
        ]
        for file, mistakes in broken.items()
    ]
    text = table(["recipe", "state", "owner", "schedule", "time zone", "about"], rows, empty="there is no recipe yet")
    show(document, text, as_json=as_json)


def _find_file(recipe: str) -> Path:
    """Return the file of a recipe that is given by its name or its path."""
    from nightloom.core.settings import get_settings
    from nightloom.recipes.check import explain_unknown

    directory = get_settings().recipes_dir
    for file in (Path(recipe), directory / f"{recipe}.yaml"):
        if file.is_file():
            return file
    if recipe.endswith((".yaml", ".yml")):
        msg = f"the file {recipe} does not exist; recipes are YAML files in {directory}"
    else:
        known = sorted(path.stem for path in directory.glob("*.yaml"))
        msg = explain_unknown(recipe, known)
    raise InputError(msg)


def _describe_part(part: "PartCheck") -> dict[str, Any]:
    return {"part": part.part, "rows": part.rows, "problem": part.problem, "notes": part.notes}


def _list_parts(parts: Sequence["PartCheck"]) -> str:
    """Return a line for each part with its result, and one for each further note."""
    rows: list[list[object]] = []
    for part in parts:
        first, *more = [f"PROBLEM: {part.problem}"] if part.problem else part.notes or ["ok"]
        rows.append([part.part, part.rows, first])
        rows += [["", "", note] for note in more]
    return table(["part", "rows read", "result"], rows, empty="")
