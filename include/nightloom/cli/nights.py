"""`nightloom run|predict|report|night`: run nights or single stages without Airflow, and show their results."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.cli.lookup import find_night, load_result
from nightloom.cli.output import (
    AsJson,
    Limit,
    NightOption,
    RecipeName,
    describe_fault,
    format_fields,
    show,
    show_list,
    table,
    take,
)
from nightloom.core.errors import InputError, NightloomError
from nightloom.core.nights import parse_night

if TYPE_CHECKING:
    from datetime import date

    from nightloom.core.stages import Stage
    from nightloom.registry.nights import StageOutcome

app = typer.Typer(name="night", help="Results of the nights: stages, verdict, report, Data Docs.", no_args_is_help=True)

TonightOption = Annotated[
    str | None, typer.Option("--night", metavar="DATE", help="A date such as 2026-11-23. Default: tonight.")
]


def run(recipe: RecipeName, *, night: TonightOption = None, as_json: AsJson = False) -> None:
    """Run a whole night without Airflow: prepare, finetune, predict, report. A repeated run resumes it."""
    from nightloom.cli.progress import following_steps
    from nightloom.nightly.chain import run_night

    if night is not None:
        parse_night(night)  # A blank one would be tonight.
    failures: list[Exception] = []
    with following_steps() as on_step:
        outcomes = run_night(recipe, night, on_step, failures.append)
    _show_night(recipe, outcomes[0].night, outcomes, as_json=as_json)
    for error in failures:
        typer.echo(f"error: {error if isinstance(error, NightloomError) else describe_fault(error)}", err=True)
    if failures:
        # Not raised: that would print a second JSON document.
        raise typer.Exit(getattr(failures[0], "exit_code", 3))


def predict(recipe: RecipeName, *, night: NightOption = None, as_json: AsJson = False) -> None:
    """Run the predict stage of a night: answer its new rows with the champion."""
    _run_stage(recipe, night, "predict", as_json=as_json)


def report(recipe: RecipeName, *, night: NightOption = None, as_json: AsJson = False) -> None:
    """Run the report stage of a night again: rewrite its report from the stored results."""
    _run_stage(recipe, night, "report", as_json=as_json)


@app.command("list")
def list_nights(recipe: RecipeName, *, limit: Limit = 14, as_json: AsJson = False) -> None:
    """List a recipe's nights, newest first, with the status of each stage."""
    from datetime import date

    from nightloom.core.stages import STAGES
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import read_outcomes

    nights: dict[date, dict[str, str]] = {}
    for outcome in read_outcomes(open_database(), recipe, date.max, limit + 1):
        nights.setdefault(outcome.night, {})[outcome.stage] = outcome.status
    shown, is_cut = take(nights.items(), limit)
    rows = [[night, *(stages.get(stage) for stage in STAGES)] for night, stages in shown]
    text = table(["night", *STAGES], rows, empty=f"{recipe} has no night yet")
    show_list("nights", [{"night": night, **stages} for night, stages in shown], text, is_cut=is_cut, as_json=as_json)


@app.command("show")
def show_night(recipe: RecipeName, *, night: NightOption = None, as_json: AsJson = False) -> None:
    """Show a night's result: each stage, the verdict, and the path of the report."""
    from nightloom.core.stages import STAGES
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import read_outcome

    database = open_database()
    date = find_night(database, recipe, night)
    outcomes = [outcome for stage in STAGES if (outcome := read_outcome(database, recipe, date, stage))]
    _show_night(recipe, date, outcomes, as_json=as_json)


@app.command("docs")
def fetch_docs(recipe: RecipeName, *, night: NightOption = None, as_json: AsJson = False) -> None:
    """Fetch a night's Great Expectations Data Docs and print the path of the page."""
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store
    from nightloom.reports.write import report_path
    from nightloom.validation.docs import find_docs

    database, store = open_database(), open_store()
    date = find_night(database, recipe, night)
    docs = find_docs(store, database, recipe, date)
    if docs is None:
        msg = f"night {date} of {recipe} has no Data Docs: nothing was validated; see `nightloom night show {recipe}`"
        raise InputError(msg)
    path = store.fetch_file(docs, report_path(recipe, date).with_suffix(".docs.html"))
    show({"recipe": recipe, "night": date, "docs": path}, format_fields([("page", path)]), as_json=as_json)


def _run_stage(recipe: str, night: str | None, stage: "Stage", *, as_json: bool) -> None:
    from nightloom.cli.progress import following_steps
    from nightloom.nightly.chain import run_stage
    from nightloom.registry.database import open_database

    date = find_night(open_database(), recipe, night)
    with following_steps() as on_step:
        outcome = run_stage(recipe, date.isoformat(), stage, on_step)
    _show_night(recipe, date, [outcome], as_json=as_json)


def _show_night(recipe: str, night: "date", outcomes: "list[StageOutcome]", *, as_json: bool) -> None:
    verdict = _read_verdict(recipe, night, outcomes)
    report_path = _fetch_report(recipe, night, outcomes)
    document = {
        "recipe": recipe,
        "night": night,
        "stages": [asdict(outcome) for outcome in outcomes],
        "verdict": verdict,
        "report": report_path,
    }
    pairs: list[tuple[str, Any]] = [("recipe", recipe), ("night", night)]
    pairs += [(outcome.stage, f"{outcome.status}: {outcome.message}") for outcome in outcomes]
    if verdict:
        pairs.append(("verdict", f"{verdict['finding']}: {verdict['reason']}"))
    if report_path:
        pairs.append(("page", report_path))
    show(document, format_fields(pairs), as_json=as_json)


def _read_verdict(recipe: str, night: "date", outcomes: "list[StageOutcome]") -> dict[str, Any] | None:
    from nightloom.artifacts.results import Verdict

    verdict = _load_stage(recipe, night, outcomes, "finetune", Verdict)
    return {"id": verdict.id, **verdict.content.model_dump(mode="json", exclude={"scores"})} if verdict else None


def _fetch_report(recipe: str, night: "date", outcomes: "list[StageOutcome]") -> Path | None:
    """Return the path of the night's report, fetched from the store, or None if there is no report."""
    from nightloom.artifacts.results import Report
    from nightloom.registry.store import open_store
    from nightloom.reports.write import report_path

    found = _load_stage(recipe, night, outcomes, "report", Report)
    return open_store().fetch_file(found.provenance.html, report_path(recipe, night)) if found else None


def _load_stage(recipe: str, night: "date", outcomes: "list[StageOutcome]", stage: Any, kind: Any) -> Any:
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    if not any(outcome.stage == stage and outcome.manifest for outcome in outcomes):
        return None
    return load_result(open_store(), open_database(), recipe, night, stage, kind)
