#!/usr/bin/env bash
# Airflow 3.3.2: one view with a wrong destination takes all views of its plugin out of the UI, and nothing says so.
#
# A plugin may show pages in the UI (`external_views`), each at a destination such as `nav` or `dag_run`. One would
# expect a misspelt destination to be an import error, or to cost that one view. The plugin loads, `airflow plugins`
# lists it and /plugins/importErrors is empty; but /plugins, which the UI reads, leaves the whole plugin out, its good
# views as well. The one trace is a warning in the API server's log when a page is loaded.
# So since Airflow 3.1, where views came; the code is `get_plugins` of the public API.
# For users: a test that asks /api/v2/plugins for each plugin, not only that the file imports.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile apache-airflow==3.3.2
mkdir -p "$folder/home/plugins"
cat > "$folder/home/plugins/pages.py" <<'PYTHON'
from airflow.plugins_manager import AirflowPlugin


def view(name: str, destination: str) -> dict[str, str]:
    return {"name": name, "href": "https://example.org", "url_route": name, "destination": destination}


class Good(AirflowPlugin):
    name = "good"
    external_views = [view("first", "nav")]


class Typo(AirflowPlugin):
    name = "typo"
    external_views = [view("second", "nav"), view("third", "dagrun")]  # dag_run is meant
PYTHON
cat > "$folder/run.py" <<'PYTHON'
from importlib.metadata import version

from airflow import plugins_manager
from airflow.api_fastapi.app import create_app
from fastapi.testclient import TestClient

loaded = sorted(plugin["name"] for plugin in plugins_manager.get_plugin_info() if plugin["name"] in ("good", "typo"))
with TestClient(create_app(), base_url="http://localhost") as client:
    token = client.get("/auth/token").json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    errors = client.get("/api/v2/plugins/importErrors").json()["import_errors"]
    shown = sorted(
        plugin["name"]
        for plugin in client.get("/api/v2/plugins").json()["plugins"]
        if plugin["name"] in ("good", "typo")
    )
print(f"seen: loaded {loaded}, import errors {errors}, shown by the API {shown}")
print(f"Airflow {version('apache-airflow')}: plugins {loaded} load without an error, the UI gets {shown}")
raise SystemExit((loaded, errors, shown) != (["good", "typo"], [], ["good"]))
PYTHON
export AIRFLOW_HOME="$folder/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True
"$folder/venv/bin/airflow" db migrate > "$folder/log" 2>&1
"$folder/venv/bin/python" "$folder/run.py" 2> "$folder/log" | grep -E '^(seen|Airflow)'
