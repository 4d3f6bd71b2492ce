"""`nightloom row`: the history of one row over all nights, and its erasure."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.cli.output import CUT, AsJson, Limit, Reason, RecipeName, on_one_line, show, table
from nightloom.core.errors import InputError

if TYPE_CHECKING:
    from nightloom.prediction.lines import ResultLine

app = typer.Typer(name="row", help="The history of one row, and its erasure.", no_args_is_help=True)


@app.command("show")
def show_row(
    recipe: RecipeName,
    row_id: Annotated[str, typer.Argument(metavar="ROW", help="Key of the row in its source.")],
    *,
    night: Annotated[str | None, typer.Option("--night", metavar="DATE", help="Only this night.")] = None,
    limit: Limit = 30,
    as_json: AsJson = False,
) -> None:
    """Show a row's history: its outcome in each night, releases and erasure, and the adapters trained on it."""
    from nightloom.core.nights import parse_night
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import read_outcomes
    from nightloom.registry.store import open_store
    from nightloom.snapshots.lineage import find_prepared, list_decisions, list_learners

    store, database = open_store(), open_database()
    prepared = find_prepared(store, database, recipe, row_id, limit)
    history = [{"night": one.night, "stage": "prepare", "status": one.status, **one.line} for one in prepared]
    history = sorted(
        history + _find_predictions(store, database, recipe, row_id, limit), key=lambda event: event["night"]
    )
    asked = parse_night(night) if night else None
    history = [event for event in history if asked in (None, event["night"])]
    decisions = list_decisions(database, recipe, row_id)
    is_cut = len({outcome.night for outcome in read_outcomes(database, recipe, date.max, limit + 1)}) > limit
    if not history and (asked or not decisions):
        searched = f"the last {limit} nights" if is_cut else "that night" if asked else "any night"
        hint = "check its key, or search more nights with --limit" if is_cut else "check its key"
        msg = f"{recipe} has no row {row_id!r} in {searched}; {hint}"
        raise InputError(msg)
    trained = (one for one in prepared if one.was_trained_on and asked in (None, one.night))
    snapshots = {one.snapshot for one in trained if one.snapshot}
    adapters = list_learners(database, recipe, row_id, snapshots)
    columns = ["night", "stage", "status", "outcome", "rule", "measured", "threshold", "into", "repairs"]
    columns += ["cluster_id", "split"]
    lines = [[event.get(column) for column in columns] for event in [*history, *decisions]]
    learned = [f"used to train adapter {adapter}" for adapter in adapters]
    why = [f"{event['outcome']} by {event['who']} at {event['at']:%F %T} UTC: {event['why']}" for event in decisions]
    document = {"recipe": recipe, "row": row_id, "history": history, "decisions": decisions, "adapters": adapters}
    answers = [_describe_answer(event) for event in history if event["stage"] == "predict"]
    more = [CUT] if is_cut else []
    text = "\n".join([table(columns, lines, empty=""), *answers, *why, *learned, *more])
    show({**document, "cut": is_cut}, text, as_json=as_json)


@app.command()
def erase(
    recipe: RecipeName,
    row_id: Annotated[
        str, typer.Argument(metavar="ROW", help="Key of the row in its source, or id of an evaluation item.")
    ],
    *,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a row for good from everything made of it. No later night accepts it."""
    from getpass import getuser

    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store
    from nightloom.snapshots.erase import erase_row

    if not yes and as_json:
        msg = "--json cannot ask for confirmation; add --yes"
        raise InputError(msg)
    if not yes:
        typer.confirm(f"Erase row {row_id!r} of {recipe} for good?", abort=True, err=True)
    erased = erase_row(open_store(), open_database(), recipe, row_id, who=getuser(), why=reason)
    document = {"recipe": recipe, "row": row_id, **asdict(erased)}
    held = ", ".join(f"{count} of {content}" for content, count in erased.blobs.items())
    text = [f"row {row_id!r} of {', '.join(erased.recipes)} is erased; rewritten files: {held or 'none'}"]
    if erased.adapters:
        text.append("adapters that were trained on it, for you to retire or to train again:")
        text += [f"  {adapter}" for adapter in erased.adapters]
    if erased.unfinished_nights:
        text.append(
            f"night {', '.join(erased.unfinished_nights)} has not ended and may have read the row: erase it again later"
        )
    text.append("not erased, left to you: the source, the table of predictions, and exported folders")
    show(document, "\n".join(text), as_json=as_json)


def _find_predictions(store: Any, database: Any, recipe: str, row_id: str, nights: int) -> list[dict[str, Any]]:
    from nightloom.registry.nights import read_outcomes

    return [
        {"night": outcome.night, "stage": outcome.stage, "status": outcome.status, **event}
        for outcome in read_outcomes(database, recipe, date.max, nights)
        if outcome.stage == "predict" and outcome.manifest is not None
        for event in _find_lines(store, outcome.manifest, row_id)
    ]


def _find_lines(store: Any, predictions: str, row_id: str) -> list[dict[str, Any]]:
    from nightloom.artifacts.predictions import Predictions
    from nightloom.prediction.lines import load_lines

    lines = (
        line for file in store.load(Predictions, predictions).content.files for line in load_lines(store.get_blob(file))
    )
    return [_describe_line(line) for line in lines if line.custom_id == row_id]


def _describe_answer(event: Mapping[str, Any]) -> str:
    fields = on_one_line(f"{field}: {value}" for field, value in (event["answer"] or {}).items())
    given = ", ".join(fields) or "no answer"
    return f"night {event['night']}: {given}; by model {event['model']} with prompt {event['prompt']}"


def _describe_line(line: "ResultLine") -> dict[str, Any]:
    outcome = line.nightloom
    return {
        "outcome": outcome.status,
        "rule": ", ".join(outcome.flags) or (line.error.code if line.error else None),
        "prediction": line.id,
        "answer": outcome.answer,
        "model": outcome.model.adapter or outcome.model.base,
        "prompt": outcome.prompt,
    }
