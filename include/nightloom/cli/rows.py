"""`nightloom row`: what happened to one row, night after night."""

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
