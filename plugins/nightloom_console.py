"""Nightloom console: the app, views and links in Airflow's UI."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from nightloom.orchestration.links import CONSOLE, DataDocsLink, ReportLink, console_path


async def console(scope: Any, receive: Any, send: Any) -> None:
    """Serve the console. Its imports happen at the first request, so only the API server pays for them."""
    from nightloom.console.app import app

    await app(scope, receive, send)


class NightloomConsole(AirflowPlugin):
    """The extensions of Airflow's UI."""

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
