"""`nightloom quarantine`: rows that were refused, with the reason, and their release."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.cli.lookup import load_latest
from nightloom.cli.output import AsJson, Limit, Reason, RecipeName, on_one_line, show, table, take
from nightloom.core.errors import InputError

if TYPE_CHECKING:
    from datetime import date

    from nightloom.artifacts.data import Preparation

ReadNight = Annotated[
    str | None,
    typer.Option("--night", metavar="DATE", help="A date such as 2026-11-23. Default: the latest that had rows."),
]

app = typer.Typer(name="quarantine", help="Refused rows, the reason, and their release.", no_args_is_help=True)


@app.command("list")
def list_rules(recipe: RecipeName, *, night: ReadNight = None, as_json: AsJson = False) -> None:
    """Count a night's quarantined rows by rule, and how many of them were released since."""
    import polars as pl

    date, frame = _open_quarantine(recipe, night)
    released = _list_releases(recipe).with_columns(released=pl.lit(True))
    joined = frame.join(released, on=["row_id", "version", "rule"], how="left")
    counts = joined.group_by("rule").agg(pl.len().alias("rows"), pl.col("released").count())
    counts = counts.sort("rows", "rule", descending=[True, False])
    document = {"recipe": recipe, "night": date, "rules": counts.to_dicts()}
    text = table(["rule", "rows", "released"], counts.rows(), empty=f"night {date} of {recipe} quarantined no row")
    show(document, text, as_json=as_json)


@app.command("show")
def show_rows(
    recipe: RecipeName,
    *,
    night: ReadNight = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only rows refused by this rule.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Also show text and answer of the rows, as received.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show a night's quarantined rows with rule, measured value and threshold."""
    import polars as pl

    date, frame = _open_quarantine(recipe, night)
    if rule is not None:
        known = frame["rule"].unique().sort().to_list()
        frame = frame.filter(pl.col("rule") == rule)
        if frame.is_empty():
            msg = f"night {date} of {recipe} quarantined no row by {rule!r}; its rules: {', '.join(known) or 'none'}"
            raise InputError(msg)
    columns = ["row_id", "version", "rule", "measured", "threshold", *(["text", "answer"] if text else [])]
    rows, is_cut = take(frame.select(columns).iter_rows(named=True), limit)
    document = {"recipe": recipe, "night": date, "rows": frame.height, "shown": rows, "cut": is_cut}
    shown = table(columns, [on_one_line(row.values()) for row in rows], empty="no row was quarantined")
    rest = frame.height - len(rows)
    show(document, f"{shown}\n… and {rest} more: --limit {frame.height}" if is_cut else shown, as_json=as_json)


@app.command()
def release(
    recipe: RecipeName,
    rows: Annotated[
        list[str] | None, typer.Argument(metavar="[ROW...]", help="Keys of the rows in the source.")
    ] = None,
    *,
    rule: Annotated[
        str | None, typer.Option("--rule", help="Rule or repair that was wrong. Without rows: all rows of it.")
    ] = None,
    night: ReadNight = None,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Release rows that a night wrongly refused or repaired. The next night accepts them unchanged."""
    from getpass import getuser

    from nightloom.nightly.release import release_rows
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, database = open_store(), open_database()
    date, preparation = _open_preparation(recipe, night)
    released = release_rows(store, database, recipe, preparation.id, rows or [], rule=rule, who=getuser(), why=reason)
    lines = [(one.row_id, one.version, one.rule, one.from_night, one.who) for one in released]
    columns = ["row_id", "version", "rule", "from_night", "who"]
    document = {"recipe": recipe, "night": date, "released": [dict(zip(columns, line, strict=True)) for line in lines]}
    show(document, table(columns, lines, empty=""), as_json=as_json)


def _list_releases(recipe: str) -> Any:
    from datetime import date

    from nightloom.registry.database import open_database
    from nightloom.registry.releases import read_releases

    return read_releases(open_database(), recipe, date.max)


def _open_quarantine(recipe: str, night: str | None) -> "tuple[date, Any]":
    from nightloom.artifacts.frames import QUARANTINE
    from nightloom.artifacts.parts import read_parts
    from nightloom.registry.store import open_store

    date, preparation = _open_preparation(recipe, night)
    return date, read_parts(open_store(), preparation.content.quarantine, QUARANTINE)


def _open_preparation(recipe: str, night: str | None) -> "tuple[date, Preparation]":
    from nightloom.artifacts.data import Preparation

    return load_latest(recipe, night, "prepare", Preparation)
