"""`nightloom recipe`: check a recipe, list all."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nightloom.cli.output import AsJson, show, table
from nightloom.core.errors import InputError

app = typer.Typer(name="recipe", help="Recipes: check a file, list all.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recipe's YAML file.")], *, as_json: AsJson = False
) -> None:
    """Report all mistakes of a recipe: line, what is wrong, what to write. Exit 1 if there is one."""
    from nightloom.recipes.check import check_recipe, format_mistakes

    if not file.is_file():
        msg = f"the file {file} does not exist; recipes are YAML files in include/recipes"
        raise InputError(msg)
    mistakes = check_recipe(file)
    document = {"file": str(file), "valid": not mistakes, "mistakes": [asdict(mistake) for mistake in mistakes]}
    count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
    text = f"{format_mistakes(file, mistakes)}\n{count} in {file}" if mistakes else f"{file} is valid"
    show(document, text, as_json=as_json)
    raise typer.Exit(1 if mistakes else 0)


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
        [Path(file).stem, "broken", "-", "-", "-", f"{len(mistakes)} mistakes: `nightloom recipe check {file}`"]
        for file, mistakes in broken.items()
    ]
    text = table(["recipe", "state", "owner", "schedule", "time zone", "about"], rows, empty="there is no recipe yet")
    show(document, text, as_json=as_json)
