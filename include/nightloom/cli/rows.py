"""`nightloom row`: what happened to one row, night after night, and its erasure."""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

import typer

from nightloom.cli.output import AsJson, Limit, RecipeName, show, table
from nightloom.core.errors import InputError

app = typer.Typer(name="row", help="What happened to one row, and how to erase it.", no_args_is_help=True)


@app.command("show")
def show_row(
    recipe: RecipeName,
    row_id: Annotated[str, typer.Argument(metavar="ROW", help="The row's key at its source.")],
    *,
    night: Annotated[str | None, typer.Option("--night", metavar="DATE", help="Of this night only.")] = None,
    limit: Limit = 30,
    as_json: AsJson = False,
) -> None:
    """Tell a row's story: every night's outcome, what people decided on it, and which adapters learned from it."""
    from nightloom.core.nights import parse_night
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store
    from nightloom.snapshots.lineage import find_prepared, list_decisions, list_learners

    store, database = open_store(), open_database()
    prepared = find_prepared(store, database, recipe, row_id, limit)
    story = [{"night": one.night, "stage": "prepare", **one.line} for one in prepared]
    story = sorted(story + _find_predictions(store, database, recipe, row_id, limit), key=lambda event: event["night"])
    asked = parse_night(night) if night else None
    story = [event for event in story if asked in (None, event["night"])]
    decisions = list_decisions(database, recipe, row_id)
    if not story and (asked or not decisions):
        msg = f"no row {row_id!r} came in {'that night' if night else 'any of the nights'} of {recipe}; check its key"
        raise InputError(msg)
    snapshots = {one.snapshot for one in prepared if one.was_trained_on and asked in (None, one.night)}
    adapters = list_learners(database, recipe, row_id, snapshots)
    columns = ["night", "stage", "outcome", "rule", "measured", "threshold", "into", "repairs", "cluster_id", "split"]
    lines = [[event.get(column) for column in columns] for event in [*story, *decisions]]
    learned = [f"learned from by {adapter}" for adapter in adapters]
    why = [f"{event['outcome']} by {event['who']} at {event['at']:%F %T} UTC: {event['why']}" for event in decisions]
    document = {"recipe": recipe, "row": row_id, "story": story, "decisions": decisions, "adapters": adapters}
    show(document, "\n".join([table(columns, lines, empty=""), *why, *learned]), as_json=as_json)


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

    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store
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


def _find_predictions(store: Any, database: Any, recipe: str, row_id: str, nights: int) -> list[dict[str, Any]]:
    from nightloom.registry.nights import read_outcomes

    return [
        {"night": outcome.night, "stage": outcome.stage, **event}
        for outcome in read_outcomes(database, recipe, date.max, nights)
        if outcome.stage == "predict" and outcome.manifest is not None
        for event in _find_lines(store, outcome.manifest, row_id)
    ]


def _find_lines(store: Any, predictions: str, row_id: str) -> list[dict[str, Any]]:
    from nightloom.artifacts.results import Predictions
    from nightloom.prediction.lines import load_lines

    lines = (
        line for file in store.load(Predictions, predictions).content.files for line in load_lines(store.get_blob(file))
    )
    return [
        {"outcome": line.nightloom.status, "rule": ", ".join(line.nightloom.flags) or None, "prediction": line.id}
        for line in lines
        if line.custom_id == row_id
    ]
