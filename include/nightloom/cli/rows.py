"""`nightloom row`: what happened to one row, night after night."""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

import typer

from nightloom.cli.output import AsJson, Limit, RecipeName, show, table
from nightloom.core.errors import InputError

app = typer.Typer(name="row", help="What happened to one row.", no_args_is_help=True)


@app.command("show")
def show_row(
    recipe: RecipeName,
    row_id: Annotated[str, typer.Argument(metavar="ROW", help="The row's key at its source.")],
    *,
    night: Annotated[str | None, typer.Option("--night", metavar="DATE", help="Of this night only.")] = None,
    limit: Limit = 30,
    as_json: AsJson = False,
) -> None:
    """Tell a row's story: its outcome in every night's preparation, and what was predicted for it."""
    from nightloom.core.nights import parse_night
    from nightloom.core.store import open_store
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import read_outcomes

    until = parse_night(night) if night else date.max
    story = []
    for outcome in read_outcomes(open_database(), recipe, until, 1 if night else limit):
        if outcome.manifest is not None and (night is None or outcome.night == until):
            story += [
                {"night": outcome.night, "stage": outcome.stage, **event}
                for event in _find_events(open_store(), outcome.stage, outcome.manifest, row_id)
            ]
    if not story:
        msg = f"no row {row_id!r} came in {'that night' if night else 'any of the nights'} of {recipe}; check its key"
        raise InputError(msg)
    columns = ["night", "stage", "outcome", "rule", "measured", "threshold", "into", "repairs"]
    text = table(columns, [[event.get(column) for column in columns] for event in story], empty="")
    show({"recipe": recipe, "row": row_id, "story": story}, text, as_json=as_json)


@app.command()
def erase(
    recipe: RecipeName,
    row_id: Annotated[str, typer.Argument(metavar="ROW", help="The row's key at its source, or an eval item's id.")],
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a row from all that was ever made of it, for good; no night takes it in again."""
    from getpass import getuser

    from nightloom.core.store import open_store
    from nightloom.registry.database import open_database
    from nightloom.snapshots.erase import erase_row

    if not yes and as_json:
        msg = "erasing asks a question, which --json has no place for; add --yes"
        raise InputError(msg)
    if not yes:
        typer.confirm(f"Erase row {row_id!r} of {recipe} for good?", abort=True, err=True)
    erased = erase_row(open_store(), open_database(), recipe, row_id, who=getuser(), why=reason)
    document = {"recipe": recipe, "row": row_id, **asdict(erased)}
    held = ", ".join(f"{count} of {content}" for content, count in erased.blobs.items())
    text = [f"row {row_id!r} of {', '.join(erased.recipes)} is erased; files rewritten: {held or 'none'}"]
    if erased.adapters:
        text.append("adapters that learned from it, for you to retire or train anew:")
        text += [f"  {adapter}" for adapter in erased.adapters]
    if erased.unfinished_nights:
        text.append(
            f"night {', '.join(erased.unfinished_nights)} has not ended and may have read it: erase it again then"
        )
    text.append("left to you: its source, the table that predictions were written to, and folders that were exported")
    show(document, "\n".join(text), as_json=as_json)


def _find_events(store: Any, stage: str, manifest: str, row_id: str) -> list[dict[str, Any]]:
    if stage == "prepare":
        return _find_in_ledger(store, manifest, row_id)
    return _find_prediction(store, manifest, row_id) if stage == "predict" else []


def _find_in_ledger(store: Any, manifest: str, row_id: str) -> list[dict[str, Any]]:
    from nightloom.artifacts.data import Preparation
    from nightloom.artifacts.frames import LEDGER
    from nightloom.artifacts.parts import find_lines

    parts = store.load(Preparation, manifest).identity.ledger
    return find_lines(store, parts, LEDGER, row_id).drop("row_id").to_dicts()


def _find_prediction(store: Any, manifest: str, row_id: str) -> list[dict[str, Any]]:
    from nightloom.artifacts.results import Predictions
    from nightloom.prediction.lines import load_lines

    lines = (
        line for file in store.load(Predictions, manifest).identity.files for line in load_lines(store.get_blob(file))
    )
    return [
        {"outcome": line.nightloom.status, "rule": ", ".join(line.nightloom.flags) or None, "prediction": line.id}
        for line in lines
        if line.custom_id == row_id
    ]
