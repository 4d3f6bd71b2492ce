"""`nightloom recipe`: check a recipe, list all."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightloom.cli.output import AsJson, show, table
from nightloom.core.errors import InputError, NightloomError

if TYPE_CHECKING:
    from nightloom.recipes.schema import Recipe

app = typer.Typer(name="recipe", help="Recipes: check a file, list all.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recipe's YAML file.")], *, as_json: AsJson = False
) -> None:
    """Report all mistakes of a recipe: line, what is wrong, what to write. Exit 1 if there is one."""
    from nightloom.recipes.check import format_mistakes, read_recipe

    if not file.is_file():
        msg = f"the file {file} does not exist; recipes are YAML files in include/recipes"
        raise InputError(msg)
    recipe, mistakes = read_recipe(file)
    notes = _list_notes(recipe) if recipe and not mistakes else []
    document = {
        "file": str(file),
        "valid": not mistakes,
        "mistakes": [asdict(mistake) for mistake in mistakes],
        "notes": notes,
    }
    count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
    text = f"{format_mistakes(file, mistakes)}\n{count} in {file}" if mistakes else f"{file} is valid"
    text = "\n".join([text, *(f"note: {note}" for note in notes)])
    show(document, text, as_json=as_json)
    raise typer.Exit(1 if mistakes else 0)


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
        [Path(file).stem, "broken", "-", "-", "-", f"{len(mistakes)} mistakes: `nightloom recipe check {file}`"]
        for file, mistakes in broken.items()
    ]
    text = table(["recipe", "state", "owner", "schedule", "time zone", "about"], rows, empty="there is no recipe yet")
    show(document, text, as_json=as_json)
