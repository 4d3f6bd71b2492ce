"""`nightloom model promote|rollback|export|import`: move the champion by hand, and exchange models."""

from contextlib import suppress
from dataclasses import asdict
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightloom.cli.lookup import find_id, find_night_of_move, find_owner
from nightloom.cli.models import AdapterArgument, AsOf, app
from nightloom.cli.output import AsJson, Reason, RecipeName, require_reason, show
from nightloom.core.digests import short
from nightloom.core.errors import NightloomError

if TYPE_CHECKING:
    from nightloom.artifacts.ids import BaseId
    from nightloom.artifacts.models import TaskSpec
    from nightloom.exchange.importing import Found
    from nightloom.recipes.schema import Recipe
    from nightloom.registry.database import Database


@app.command()
def promote(adapter: AdapterArgument, recipe: RecipeName, *, reason: Reason, as_json: AsJson = False) -> None:
    """Make an adapter the champion by hand. It answers from the next night's predictions."""
    from nightloom.artifacts.models import Adapter
    from nightloom.core.errors import InputError
    from nightloom.exchange.lineage import read_lineage
    from nightloom.promotion.champions import find_citation, find_task
    from nightloom.promotion.promote import promote_by_hand, refuse_unfit
    from nightloom.promotion.proofs import refuse_mismatched
    from nightloom.recipes.check import load_recipe
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, database, settings = open_store(), open_database(), load_recipe(recipe)
    manifest = store.load(Adapter, find_id(database, Adapter, adapter))
    find_owner(database, manifest.id, recipe)
    citation = find_citation(store, database, recipe, manifest.id)
    if citation is None:
        msg = (
            f"{recipe} has neither compared nor imported adapter {short(manifest.id)}, so its task is unknown; "
            f"let a night compare it, or export it and import it for {recipe}"
        )
        raise InputError(msg)
    base_id, task = _freeze(settings)
    refuse_unfit(settings, manifest, find_task(store, citation), base_id, task)
    refuse_mismatched(manifest.id, read_lineage(store, database, manifest, recipe).parities)
    night = find_night_of_move(database, recipe)
    done = promote_by_hand(store, database, citation, night=night, who=getuser(), why=reason)
    show({"recipe": recipe, "champion": manifest.id, **asdict(done)}, done.message, as_json=as_json)


@app.command()
def rollback(
    recipe: RecipeName,
    *,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Make the previous champion the champion again. It answers from the next night's predictions."""
    from nightloom.promotion.drift import describe_champion
    from nightloom.promotion.promote import roll_back_champion
    from nightloom.recipes.check import load_recipe
    from nightloom.registry.database import open_database
    from nightloom.registry.refs import read_ref
    from nightloom.registry.store import open_store

    store, database = open_store(), open_database()
    night = find_night_of_move(database, recipe)
    done = roll_back_champion(store, database, recipe, night=night, who=getuser(), why=reason)
    drift = None
    with suppress(NightloomError):  # The champion has been moved, whatever else cannot be read.
        drift = describe_champion(store, database, load_recipe(recipe))
    notes = [f"{drift}; it answers so until another one is promoted"] if drift else []
    document = {
        "recipe": recipe,
        "champion": read_ref(database, recipe, "champion"),
        "message": done.message,
        "notes": notes,
    }
    show(document, "\n".join([done.message, *(f"note: {note}" for note in notes)]), as_json=as_json)


@app.command("export")
def export(
    adapter: AdapterArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Target folder. It is created.")],
    *,
    recipe: AsOf = None,
    merged: Annotated[bool, typer.Option("--merged", help="Merge the adapter into its base model's weights.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also write into a folder with other content.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export an adapter as a folder that transformers, peft and vLLM read, with model card and lineage."""
    from nightloom.artifacts.models import Adapter
    from nightloom.exchange.exporting import export_model
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    database = open_database()
    found = find_id(database, Adapter, adapter)
    owner = find_owner(database, found, recipe)
    done = export_model(open_store(), database, found, owner, folder, merged=merged, force=force)
    show(asdict(done), f"{done.form} {short(done.adapter)} is in {folder}: {', '.join(done.files)}", as_json=as_json)


@app.command("import")
def import_model(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with an adapter, or with a fully fine-tuned model.")
    ],
    recipe: RecipeName,
    *,
    base: Annotated[
        str | None, typer.Option("--base", help="Its base model. Default: the recipe's `train.base`.")
    ] = None,
    champion: Annotated[bool, typer.Option("--champion", help="Make it the recipe's first champion.")] = False,
    reason: Annotated[
        str | None,
        typer.Option("--reason", help="Reason for --champion, written into the log.", callback=require_reason),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import an adapter that was trained elsewhere, with the verdict and lineage of its export."""
    from nightloom.exchange.importing import adopt_model, read_folder
    from nightloom.promotion.promote import promote_by_hand
    from nightloom.promotion.proofs import refuse_mismatched
    from nightloom.recipes.check import load_recipe
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, database, settings = open_store(), open_database(), load_recipe(recipe)
    if champion:
        _refuse_second(database, recipe, reason)
    found = read_folder(store, folder)
    if champion and found.lineage:
        refuse_mismatched(found.lineage.adapter.id, found.lineage.parities)
    base_id, task = _freeze(settings, base)
    imported, warnings = adopt_model(store, found, settings, base_id=base_id, task=task, source=folder.resolve().name)
    adapter = imported.content.adapter
    notes = [*warnings, *_note_base(found, settings, base)]
    lines = [f"adapter {short(adapter)} was imported for {recipe}", *(f"note: {note}" for note in notes)]
    if champion:
        night = find_night_of_move(database, recipe)
        done = promote_by_hand(store, database, imported, night=night, who=getuser(), why=str(reason))
        lines.append(done.message)
    document = {"adapter": adapter, "recipe": recipe, "champion": champion, "notes": notes}
    show(document, "\n".join(lines), as_json=as_json)


def _note_base(found: "Found", recipe: "Recipe", given: str | None) -> list[str]:
    """Return a note if an adapter names another base model than the recipe. A lineage is checked by its digests."""
    named = recipe.train.base.partition("@")[0]
    if given or found.lineage or found.base in (None, named, Path(named).name):
        return []
    return [
        f"the adapter names base model {str(found.base)[:200]!r}, but gets the recipe's {named!r}; --base sets another"
    ]


def _refuse_second(database: "Database", recipe: str, reason: str | None) -> None:
    from nightloom.core.errors import InputError
    from nightloom.registry.refs import read_ref

    if not reason:
        msg = "--champion needs a --reason, which is written into the log"
        raise InputError(msg)
    present = read_ref(database, recipe, "champion")
    if present:
        msg = (
            f"{recipe} already has champion {short(present)}; import without --champion, then replace it with "
            f"`nightloom model promote`"
        )
        raise InputError(msg)


def _freeze(recipe: "Recipe", base: str | None = None) -> tuple["BaseId", "TaskSpec"]:
    """Return the id of a recipe's frozen base model, and its task with a published prompt."""
    from nightloom.artifacts.models import specify_task
    from nightloom.base_models.freeze import freeze_for_task
    from nightloom.core.settings import get_settings
    from nightloom.prompts.templates import read_prompt
    from nightloom.registry.store import open_store

    store = open_store()
    prompt = store.publish(read_prompt(get_settings().prompts_dir, recipe.task.prompt))
    task = specify_task(recipe.task, prompt.id)
    return freeze_for_task(store, base or recipe.train.base, task)["base"], task
