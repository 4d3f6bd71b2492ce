"""Nightly: `make nightly`, from an empty machine to the report of a night."""

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape

from nightloom.artifacts.results import Report
from nightloom.artifacts.showing import show_metric, show_role
from nightloom.base_models.freeze import freeze_in_child
from nightloom.core.connections import resolve_connection
from nightloom.core.errors import FaultError, InputError
from nightloom.core.nights import night_of, parse_night, utc_now
from nightloom.core.settings import get_settings
from nightloom.embedded.airflow_api import AirflowApi
from nightloom.embedded.display import Display
from nightloom.embedded.follow import dag_ids, find_running, follow_night, measure_idle
from nightloom.embedded.instance import EXAMPLE_CONNECTION, Instance, example_url
from nightloom.embedded.lifecycle import describe_login, up
from nightloom.embedded.supervisor import wait_until
from nightloom.recipes.check import load_recipe
from nightloom.recipes.schema import Recipe
from nightloom.recipes.sources import SqlSource
from nightloom.registry.database import open_database
from nightloom.registry.nights import read_outcome
from nightloom.registry.store import open_store
from nightloom.reports.document import ReportData, read_report_data
from nightloom.reports.sections import comparison, stages
from nightloom.reports.write import report_path

_PARSED_S = 120


def run_nightly(name: str, *, data: Path | None, night: str | None, console: Console) -> int:
    """Run a whole night of a recipe through Airflow, show its progress, and return the exit code.

    Args:
        name: The recipe.
        data: Folder for `{data}` in its paths, or None for the remembered one.
        night: Date of the night, or None for tonight.
        console: Where progress is printed.
    """
    recipe = load_recipe(name)
    if data is None and recipe.missing_data:  # said before any service starts
        raise InputError(recipe.missing_data)
    chosen = parse_night(night) if night else night_of(utc_now(), recipe.timezone)
    remembered = {"NIGHTLOOM_DATA_DIR": str(data.resolve())} if data else {}
    with _timed(console, "services"):
        instance = up(get_settings().var_dir, environment=remembered)
        get_settings.cache_clear()  # `up` has just written the file that they are read from
    api = AirflowApi.of(instance)
    run = find_running(api, name, chosen, recipe.timezone)
    if run is None:
        with _timed(console, "data and base model"):
            _make_inputs(instance, recipe, chosen)
    with _timed(console, f"night {chosen} of {name}"), Display(console) as display:
        wait_until("the recipe's Dags", lambda: _missing_dags(api, recipe), timeout_s=_PARSED_S)
        run = run or api.trigger(dag_ids(name)[0], {"night": night} if night else {})
        runs = follow_night(api, name, chosen, run, display)
    idle_s = measure_idle(task for one in runs for task in api.tasks(one))
    console.print(f"no task ran for {idle_s:.0f} s of this time")
    return _print_report(instance, recipe, chosen, console)


@contextmanager
def _timed(console: Console, what: str) -> Iterator[None]:
    started = time.monotonic()
    console.print(f"[bold]{what}[/]")
    yield
    console.print(f"[bold]{what}[/] took {time.monotonic() - started:.0f} s")


def feed_new_example(instance: Instance, recipes: Iterable[Recipe]) -> None:
    """Fill the example's ticket system if it does not exist and a recipe reads it: that recipe's night is scheduled."""
    is_new = not Path(str(sa.make_url(example_url(instance)).database)).exists()
    if is_new and any(_reads_the_example(instance, recipe) for recipe in recipes):
        _feed_example(utc_now().date())


def _make_inputs(instance: Instance, recipe: Recipe, night: date) -> None:
    """Fill the example's ticket system if the recipe reads it, and freeze the base model."""
    if _reads_the_example(instance, recipe):
        _feed_example(night)
    freeze_in_child(open_store(), recipe.train.base)


def _reads_the_example(instance: Instance, recipe: Recipe) -> bool:
    source = recipe.prepare.source
    if not isinstance(source, SqlSource) or source.connection != EXAMPLE_CONNECTION:
        return False
    # A connection of the same name to another database belongs to the user: nothing is written to it.
    return resolve_connection(EXAMPLE_CONNECTION) == example_url(instance)


def _feed_example(night: date) -> None:
    command = [sys.executable, "-m", "nightloom.examples.support_triage", "--until", night.isoformat()]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603  # our own module
    if done.returncode != 0:
        msg = f"{command[2]} failed with exit code {done.returncode}; see its last lines above"
        raise FaultError(msg)


def _missing_dags(api: AirflowApi, recipe: Recipe) -> str | None:
    missing = [dag_id for dag_id in dag_ids(recipe.name) if not api.unpause(dag_id)]
    if not missing:
        return None
    errors = api.import_errors()
    why = "; ".join(errors) if errors else "their files are not parsed yet"
    return f"Airflow does not know {', '.join(missing)}: {why}"


def _print_report(instance: Instance, recipe: Recipe, night: date, console: Console) -> int:
    outcome = read_outcome(open_database(), recipe.name, night, "report")
    if outcome is None or outcome.status != "done" or outcome.manifest is None:
        msg = f"night {night} has no report: {outcome.message if outcome else 'the report stage was not run'}"
        raise FaultError(msg)
    store = open_store()
    report = store.load(Report, outcome.manifest)
    facts = read_report_data(store, report)
    console.print(f"\n[bold]{escape(facts.headline)}[/]")
    for line in _describe(facts, recipe.task.primary):
        console.print(line, markup=False)
    path = store.fetch_file(report.provenance.html, report_path(recipe.name, night))
    console.print(f"\nreport        {path}")
    console.print(describe_login(instance))
    console.print("Airflow and the object store keep running until `make down`.")
    return FaultError.exit_code if facts.outcome in ("failed", "unfinished", "not_run") else 0


def _describe(facts: ReportData, primary: str) -> Iterator[str]:
    if results := facts.of(stages.SECTION):
        for stage in results.stages:
            yield f"  {stage.stage:9} {stage.status or 'not run':12} {stage.message}"
    if compared := facts.of(comparison.SECTION):
        yield f"verdict       {compared.verdict.finding}: {compared.verdict.reason}"
        for score in compared.verdict.scores:
            for metric in score.metrics:
                if metric.name == primary and metric.value is not None:
                    of = f" in {metric.slice}" if metric.slice else ""
                    yield f"  {show_role(score.role):17} {show_metric(metric)} on {score.eval_set}{of}"
    yield from (f"to do         {step}" for step in facts.next_steps)
