"""App: the console's pages, which show stored reports and Data Docs to users who may see the Dag."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag, requires_access_view
from airflow.models.dagrun import DagRun
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from nightloom.artifacts.results import Report
from nightloom.core.errors import NightloomError
from nightloom.core.nights import choose_night
from nightloom.core.stages import STAGES
from nightloom.recipes.check import load_recipe
from nightloom.registry.database import open_database
from nightloom.registry.nights import read_outcome
from nightloom.registry.store import open_store
from nightloom.validation.docs import find_docs

# A report is one file without scripts. Only pages of Airflow may embed it.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
        "base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

app = FastAPI(
    title="Nightloom console",
    dependencies=[
        Depends(requires_access_view(AccessView.PLUGINS)),
        Depends(requires_access_dag("GET", DagAccessEntity.RUN)),
    ],
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of page: its reader, and the message if a night has no such page."""

    read: Callable[[str, date], bytes | None]
    missing: str


def recipe_of(dag_id: str) -> str:
    """Return the recipe that a Dag belongs to."""
    recipe, _, stage = dag_id.rpartition("__")
    if stage not in STAGES:
        raise HTTPException(404, f"{dag_id} is not a Dag of a night and has no report")
    return recipe


RecipeDep = Annotated[str, Depends(recipe_of)]


@app.get("/dags/{dag_id}/runs/{run_id:path}/report")
def show_report_of_run(dag_id: str, run_id: str, recipe: RecipeDep, session: SessionDep) -> HTMLResponse:
    """Return the report of the night of a Dag run."""
    return _show(recipe, lambda: _find_night(session, dag_id, run_id, recipe), _REPORT)


@app.get("/dags/{dag_id}/nights/{night}/report")
def show_report_of_night(recipe: RecipeDep, night: date) -> HTMLResponse:
    """Return the report of a night."""
    return _show(recipe, lambda: night, _REPORT)


@app.get("/dags/{dag_id}/runs/{run_id:path}/docs")
def show_docs_of_run(dag_id: str, run_id: str, recipe: RecipeDep, session: SessionDep) -> HTMLResponse:
    """Return the Data Docs of the night of a Dag run."""
    return _show(recipe, lambda: _find_night(session, dag_id, run_id, recipe), _DOCS)


@app.get("/dags/{dag_id}/nights/{night}/docs")
def show_docs_of_night(recipe: RecipeDep, night: date) -> HTMLResponse:
    """Return the Data Docs of a night."""
    return _show(recipe, lambda: night, _DOCS)


@app.exception_handler(HTTPException)
def show_error(_request: Request, error: HTTPException) -> HTMLResponse:
    """Return a page with the error of Airflow or of the console."""
    return _page("No report", str(error.detail), error.status_code)


def _show(recipe: str, find_night: Callable[[], date], kind: _Kind) -> HTMLResponse:
    try:
        night = find_night()
    except NightloomError as error:
        return _page("No report", str(error), 404)
    try:
        html = kind.read(recipe, night)
    except NightloomError as error:
        return _page(f"{recipe}, night {night}", str(error), 503)
    if html is None:
        return _page(f"{recipe}, night {night}", kind.missing, 404)
    return HTMLResponse(html, headers=_HEADERS)


def _read_report(recipe: str, night: date) -> bytes | None:
    outcome = read_outcome(open_database(), recipe, night, "report")
    if outcome is None or outcome.manifest is None:
        return None
    store = open_store()
    return store.get_blob(store.load(Report, outcome.manifest).provenance.html)


def _read_docs(recipe: str, night: date) -> bytes | None:
    store = open_store()
    docs = find_docs(store, open_database(), recipe, night)
    return store.get_blob(docs) if docs else None


_REPORT = _Kind(_read_report, "This night has no report yet.")
_DOCS = _Kind(_read_docs, "This night has no Data Docs: no rows were validated.")


def _find_night(session: SessionDep, dag_id: str, run_id: str, recipe: str) -> date:
    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if run is None:
        raise HTTPException(404, f"{dag_id} has no run {run_id}")
    return _night_of(run, recipe)


def _night_of(run: DagRun, recipe: str) -> date:
    asked = (run.conf or {}).get("night")
    # The recipe may be broken by now, so it is read only if the run does not name its night.
    timezone = "UTC" if asked or run.partition_key else load_recipe(recipe).timezone
    return choose_night(asked, run.partition_key, run.logical_date or run.run_after, timezone)


def _page(title: str, message: str, status: int) -> HTMLResponse:
    html = (
        '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><h1>{escape(title)}</h1><p>{escape(message)}</p>"
    )
    return HTMLResponse(html, status, headers=_HEADERS)
