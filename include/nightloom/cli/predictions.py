"""`nightloom predictions`: what a night's batch answered, with or without a table."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.cli.lookup import load_latest
from nightloom.cli.output import AsJson, Limit, RecipeName, on_one_line, show, table
from nightloom.core.counts import show_count
from nightloom.core.errors import InputError

if TYPE_CHECKING:
    from nightloom.artifacts.predictions import Predictions

app = typer.Typer(name="predictions", help="Answers of the nights' batches.", no_args_is_help=True)

BatchNight = Annotated[
    str | None,
    typer.Option("--night", metavar="DATE", help="A date such as 2026-11-23. Default: the latest night with answers."),
]
_LONGEST = 60  # characters of a value in a table


@app.command("list")
def list_batches(recipe: RecipeName, *, limit: Limit = 30, as_json: AsJson = False) -> None:
    """List the nights with predictions, newest first: rows by status, and the model."""
    from nightloom.artifacts.predictions import PREDICTION_STATUSES, PredictionPlan, Predictions
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, lines = open_store(), []
    for night, predictions_id in _list_predictions(open_database(), recipe, limit):
        content = store.load(Predictions, predictions_id).content
        model = store.load(PredictionPlan, content.plan).content.model
        counts: dict[str, int] = {status: content.counts.get(status, 0) for status in PREDICTION_STATUSES}
        made = {"model": model.adapter or model.base, "predictions": predictions_id}
        lines.append({"night": night, "rows": content.rows, **counts, **made})
    columns = ["night", "rows", *PREDICTION_STATUSES, "model", "predictions"]
    text = table(columns, [list(line.values()) for line in lines], empty=f"no night of {recipe} has predictions")
    show({"recipe": recipe, "nights": lines}, text, as_json=as_json)


@app.command("show")
def show_rows(
    recipe: RecipeName,
    rows: Annotated[
        list[str] | None, typer.Argument(metavar="[ROW...]", help="Keys of rows in their source. Default: all.")
    ] = None,
    *,
    night: BatchNight = None,
    status: Annotated[str | None, typer.Option("--status", help="Only rows with this status.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show the answers of a night's batch, one line per row."""
    import polars as pl

    from nightloom.prediction.exporting import read_predictions
    from nightloom.registry.store import open_store

    date_, predictions = _open_predictions(recipe, night)
    known = predictions.content.counts
    if status is not None and status not in known:
        msg = f"no status is called {status!r}; known: {', '.join(known)}"
        raise InputError(msg)
    shards = []
    for frame in read_predictions(open_store(), predictions.id):
        chosen = frame if status is None else frame.filter(status=status)
        shards.append(chosen.filter(pl.col("row_id").is_in(rows)) if rows else chosen)
    found = pl.concat(shards)
    if rows and found.is_empty():
        msg = f"night {date_} of {recipe} has no prediction of {', '.join(rows)}; check the keys and the night"
        raise InputError(msg)
    shown = found.head(limit)
    is_cut = len(shown) < len(found)
    document = {"recipe": recipe, "night": date_, "rows": len(found), "cut": is_cut, "shown": shown.to_dicts()}
    brief = shown.drop("output", "model", "prompt", "night")
    text = table(brief.columns, map(_shorten, brief.iter_rows()), empty="no row has this status")
    more = f"\n… and {len(found) - limit} more: --limit {len(found)}" if is_cut else ""
    made = f"\nby model {shown['model'][0]} with prompt {shown['prompt'][0]}" if len(shown) else ""
    show(document, f"{text}{more}{made}", as_json=as_json)


@app.command()
def export(
    recipe: RecipeName,
    *,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="A file that ends in .jsonl (OpenAI batch), .csv or .parquet.")
    ],
    night: BatchNight = None,
    as_json: AsJson = False,
) -> None:
    """Write the answers of a night's batch to a file, and replace the file if it exists."""
    from nightloom.prediction.exporting import export_predictions
    from nightloom.registry.store import open_store

    date_, predictions = _open_predictions(recipe, night)
    rows = export_predictions(open_store(), predictions.id, to)
    document = {"recipe": recipe, "night": date_, "predictions": predictions.id, "rows": rows, "file": str(to)}
    show(document, f"{show_count(rows, 'row')} of night {date_} in {to}", as_json=as_json)


def _open_predictions(recipe: str, night: str | None) -> "tuple[date, Predictions]":
    from nightloom.artifacts.predictions import Predictions

    return load_latest(recipe, night, "predict", Predictions)


def _list_predictions(database: Any, recipe: str, limit: int) -> list[tuple[date, str]]:
    """Return night and id of the newest predictions."""
    from nightloom.registry.nights import read_outcomes

    nights = limit
    while True:
        outcomes = list(read_outcomes(database, recipe, date.max, nights))
        found = [(one.night, one.manifest) for one in outcomes if one.stage == "predict" and one.manifest]
        if len(found) >= limit or len({one.night for one in outcomes}) < nights:
            return sorted(found, reverse=True)[:limit]
        nights *= 2  # nights without predictions are in between


def _shorten(values: tuple[Any, ...]) -> list[Any]:
    texts = on_one_line(values)
    return [f"{one[: _LONGEST - 1]}…" if isinstance(one, str) and len(one) > _LONGEST else one for one in texts]
