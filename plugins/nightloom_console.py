"""The Nightloom console in Airflow's UI: its app, its views and its links."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from nightloom.orchestration.links import CONSOLE, DataDocsLink, ReportLink, console_path


async def console(scope: Any, receive: Any, send: Any) -> None:
    """Serve the console; what it needs is imported by the API server alone, not by every process that has plugins."""
    from nightloom.console.app import app

    await app(scope, receive, send)


class NightloomConsole(AirflowPlugin):
    """What Airflow shows of Nightloom."""

    name = "nightloom_console"
    fastapi_apps: ClassVar[list[Any]] = [{"app": console, "url_prefix": CONSOLE, "name": "Nightloom console"}]
    external_views: ClassVar[list[Any]] = [
        {
            "name": "Report",
            "href": f"{console_path()}/dags/{{DAG_ID}}/runs/{{RUN_ID}}/report",
            "destination": "dag_run",
            "url_route": "nightloom_report",
        }
    ]
    operator_extra_links: ClassVar[list[Any]] = [ReportLink(), DataDocsLink()]
