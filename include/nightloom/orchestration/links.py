"""Links: from a Dag run in Airflow's UI to the pages of its night in the console."""

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

CONSOLE = "/nightloom"
"""The path of the console under Airflow's own."""


class ReportLink(BaseOperatorLink):
    """The button `Report` on a task."""

    name = "Report"

    def get_link(self, operator: "BaseOperator", *, ti_key: "TaskInstanceKey") -> str:
        """Return the path of the report of the task's run."""
        return report_path(ti_key.dag_id, run_id=ti_key.run_id)


class DataDocsLink(BaseOperatorLink):
    """The button `Data Docs` on the task that validates."""

    name = "Data Docs"

    def get_link(self, operator: "BaseOperator", *, ti_key: "TaskInstanceKey") -> str:
        """Return the path of the Data Docs of the task's run."""
        return _page_path(ti_key.dag_id, f"runs/{quote(ti_key.run_id, safe='')}", "docs")


def console_path() -> str:
    """Return the path of the console, under the base path of Airflow."""
    base_url: str = conf.get("api", "base_url", fallback="")
    return urlsplit(base_url).path.rstrip("/") + CONSOLE


def report_path(dag_id: str, night: str | None = None, *, run_id: str | None = None) -> str:
    """Return the path of the report of a night, or of a run of any Dag of the night."""
    which = f"nights/{night}" if run_id is None else f"runs/{quote(run_id, safe='')}"
    return _page_path(dag_id, which, "report")


def _page_path(dag_id: str, which: str, page: str) -> str:
    return f"{console_path()}/dags/{dag_id}/{which}/{page}"
