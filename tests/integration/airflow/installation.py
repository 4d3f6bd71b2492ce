"""A whole installation with a real Airflow: some recipes on a small source, and what a test may do to it."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import psutil
from nightloom.core.nights import night_of, utc_now
from nightloom.core.stages import STAGES
from nightloom.embedded.instance import ADMIN, Instance
from nightloom.embedded.lifecycle import up
from nightloom.registry.database import Database
from nightloom.registry.refs import read_ref

# Where it is about noon now: no test runs into midnight, and a night is not a date in UTC.
_HOURS = 12 - utc_now().hour
ZONE = f"Etc/GMT{-_HOURS:+d}" if _HOURS else "UTC"
TEAMS = {
    "billing": ("invoice", "refund", "charge", "payment"),
    "shipping": ("parcel", "courier", "delivery", "tracking"),
    "account": ("password", "login", "profile", "username"),
}
DEVICES = ("CUDA_VISIBLE_DEVICES", "one,other")
"""Two GPUs that nothing here uses: each is leased before a child process starts."""

# Digits might be a telephone number, which takes seconds to find out.
_LETTERS = str.maketrans("0123456789", "abcdefghij")
RECIPE = """\
name: {name}
owner: support-platform
timezone: {zone}
schedule: {schedule}
task:
  columns: {{key: id, updated_at: updated_at, text: body}}
  answer:
    team: {{column: team, one_of: [billing, shipping, account]}}
  primary: team
  prompt: triage/1
prepare:
  source:
    kind: sql
    connection: {connection}
    query: SELECT id, updated_at, body, team FROM tickets WHERE team IS NOT NULL AND updated_at < :cut_to
{train}
evaluate:
  linear_classifier: false
  sets:
    - name: gold
      source: {{kind: sql, connection: {connection}, query: "SELECT id, body, team FROM gold"}}
      columns: {{key: id, text: body}}
predict:
  source:
    kind: sql
    connection: {connection}
    query: SELECT id, updated_at, body FROM tickets WHERE team IS NULL AND updated_at < :cut_to
"""
ONE_TRIAL = "train: {trainer: dummy, base: dummy}"
FOUR_TRIALS = """\
  split: {selection: 0.2}
train:
  trainer: dummy
  base: dummy
  trials:
    over: {settings.sample: [0.1, 0.3, 0.6, 1.0]}
    pruning: {rungs: [0.5], keep: 0.5}"""


@dataclass
class Installation:
    """Folders, databases and requests of an installation."""

    folder: Path
    instance: Instance
    database: Database
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.instance.airflow_url, timeout=60, trust_env=False)
        login = {"username": ADMIN, "password": self.instance.secrets["admin_password"]}
        self.token = self._client.post("/auth/token", json=login).json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {self.token}"

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
        self.database.close()

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Return the JSON of an answer of Airflow's API; a database that is locked is asked again."""
        for _ in range(3):
            answer = self._client.request(method, f"/api/v2{path}", **request)
            if not answer.is_server_error:
                break
        answer.raise_for_status()
        return answer.json()

    def page(self, path: str, **request: Any) -> httpx.Response:
        """Return a page as the browser of somebody who is logged in gets it."""
        return self._client.get(path, **request)

    def wait_for_dags(self, recipe: str) -> None:
        """Wait until Airflow has the Dags of a recipe."""
        wait_until(lambda: self._knows(recipe), timeout_s=300)

    def begin_nightly(self, recipe: str) -> subprocess.Popen[str]:
        """Begin what `make nightly` runs."""
        environment = {**os.environ, "NIGHTLOOM_VAR_DIR": str(self.folder / "var")}
        command = [sys.executable, "-m", "nightloom.embedded", "nightly", "--recipe", recipe]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )

    def trigger(self, dag_id: str, **conf: str) -> str:
        """Start a run by hand, and give its id."""
        body = {"logical_date": None, "conf": conf}
        return str(self.ask("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def runs(self, recipe: str, stage: str, **query: Any) -> list[dict[str, Any]]:
        """Return the runs of a stage, oldest first."""
        found = self.ask("GET", f"/dags/{recipe}__{stage}/dagRuns", params={"order_by": "run_after", **query})
        runs: list[dict[str, Any]] = found["dag_runs"]
        return runs

    def tasks(self, run: dict[str, Any]) -> dict[str, str]:
        """Return the state of each task of a run."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
        return {task["task_id"]: task["state"] for task in self.ask("GET", path)["task_instances"]}

    def labels(self, run: dict[str, Any], task: str) -> dict[str, str]:
        """Return the state of each task that a mapped one became, by what it is called."""
        return {one["rendered_map_index"]: one["state"] for one in self._mapped(run, task)}

    def last_logs(self, run: dict[str, Any], task: str) -> list[str]:
        """Return the log of the last try of each task that a mapped one became."""
        return [self.log(run, task, one["try_number"], one["map_index"]) for one in self._mapped(run, task)]

    def log(self, run: dict[str, Any], task: str, attempt: int = 1, map_index: int = -1) -> str:
        """Return the log of a task."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task}/logs/{attempt}"
        content = self.ask("GET", path, params={"map_index": map_index})["content"]
        return "\n".join(str(line["event"]) for line in content)

    def events(self, recipe: str, asset: str) -> list[dict[str, Any]]:
        """Return the events of an asset, oldest first."""
        query = {"name_pattern": f"{recipe}/{asset}", "limit": 100, "order_by": "timestamp"}
        events = self.ask("GET", "/assets/events", params=query)["asset_events"]
        return [event for event in events if event["name"] == f"{recipe}/{asset}"]

    def report_path(self, run: dict[str, Any]) -> str:
        """Return the path of the report of a run."""
        return f"/nightloom/dags/{run['dag_id']}/runs/{quote(run['dag_run_id'], safe='')}/report"

    def reports(self, recipe: str) -> list[str]:
        """Return the nights whose chain has ended, in that order."""
        return [run["partition_key"] for run in self.runs(recipe, "report") if run["state"] in ("success", "failed")]

    def wait_for_reports(self, recipe: str, count: int) -> None:
        """Wait until the chain has ended so many times."""
        wait_until(lambda: len(self.reports(recipe)) >= count, timeout_s=900)

    def wait_for_champion(self, recipe: str) -> None:
        """Wait until a night has promoted its candidate: the nights before it, run later, leave that alone."""
        wait_until(lambda: read_ref(self.database, recipe, "champion"), timeout_s=900)

    def hold_children(self, dag_id: str, task: str) -> None:
        """Make every child process that this task starts from now on wait for ever."""
        (self.folder / "hold").write_text(f"{dag_id} {task}")

    def release_children(self) -> None:
        """Let child processes run again."""
        (self.folder / "hold").unlink()

    def held_children(self) -> list[psutil.Process]:
        """Return the child processes that wait."""
        mark = str(self.folder / "held")
        return [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or [])]

    def _mapped(self, run: dict[str, Any], task: str) -> list[dict[str, Any]]:
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task}/listMapped"
        found: list[dict[str, Any]] = self.ask("GET", path)["task_instances"]
        return found

    def _knows(self, recipe: str) -> bool:
        known = {dag["dag_id"] for dag in self.ask("GET", "/dags", params={"tags": recipe})["dags"]}
        return known == {f"{recipe}__{stage}" for stage in STAGES}


def write_recipe(
    folder: Path, name: str, *, schedule: str = "0 3 * * *", connection: str = "tickets", train: str = ONE_TRIAL
) -> None:
    """Write a recipe into the installation."""
    text = RECIPE.format(name=name, zone=ZONE, schedule=schedule, connection=connection, train=train)
    (folder / "recipes" / f"{name}.yaml").write_text(text)


def install(folder: Path) -> Installation:
    """Start services on a source of their own, with one broken and three valid recipes."""
    for name in ("recipes", "prompts/triage"):
        (folder / name).mkdir(parents=True)
    (folder / "prompts" / "triage" / "1.yaml").write_text("messages: [{role: user, content: '{{ text }}'}]")
    (folder / "recipes" / "torn.yaml").write_text("name: torn\n")
    write_recipe(folder, "by_command", train=FOUR_TRIALS)
    write_recipe(folder, "by_cron", schedule=_soon())
    write_recipe(folder, "by_hand", train=FOUR_TRIALS)
    _write_source(folder / "tickets.db")
    python = folder / "python"
    is_held = f'[ -e {folder}/hold ] && [ "$(cat {folder}/hold)" = "$AIRFLOW_CTX_DAG_ID $AIRFLOW_CTX_TASK_ID" ]'
    python.write_text(f'#!/bin/sh\n{is_held} && exec tail -f {folder}/held\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (folder / "held").touch()
    instance = up(
        folder / "var",
        environment={
            "NIGHTLOOM_RECIPES_DIR": str(folder / "recipes"),
            "NIGHTLOOM_PROMPTS_DIR": str(folder / "prompts"),
            "NIGHTLOOM_WORKER_PYTHON": str(python),
            DEVICES[0]: DEVICES[1],
            "AIRFLOW_CONN_TICKETS": f"sqlite://{quote(str(folder / 'tickets.db'), safe='')}",
            "AIRFLOW_CONN_NOWHERE": f"sqlite://{quote(str(folder / 'gone.db'), safe='')}",
        },
    )
    return Installation(folder, instance, Database(instance.settings().registry_address))


def tonight() -> date:
    """Return the date in the recipes' timezone."""
    return night_of(utc_now(), ZONE)


def wait_until(condition: Callable[[], object], *, timeout_s: float) -> None:
    """Poll a condition until it is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            msg = f"{getattr(condition, '__qualname__', condition)} is not so after {timeout_s} s"
            raise TimeoutError(msg)
        time.sleep(1)


def _soon() -> str:
    """Return a cron line for the minute in which Airflow is up, or shortly before: a missed start is caught up."""
    moment = datetime.now(ZoneInfo(ZONE)) + timedelta(seconds=60)
    return f"{moment.minute} {moment.hour} * * *"


def _write_source(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE tickets (id TEXT, updated_at TEXT, body TEXT, team TEXT)")
        database.execute("CREATE TABLE gold (id TEXT, body TEXT, team TEXT)")
        database.executemany("INSERT INTO tickets VALUES (?, ?, ?, ?)", _tickets())
        database.executemany(
            "INSERT INTO gold VALUES (?, ?, ?)", [(f"gold-{n}", *_text(90_000 + n)) for n in range(60)]
        )
    database.close()


def _tickets() -> Iterator[tuple[str, str, str, str | None]]:
    midnight = datetime.combine(tonight(), datetime.min.time())  # in the recipes' timezone
    for days_ago in range(1, 6):
        at = (midnight - timedelta(days=days_ago) + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")
        for number in range(30):
            yield (f"{days_ago}-{number}", at, *_text(1000 * days_ago + number))
        yield (f"{days_ago}-open", at, _text(1000 * days_ago + 500)[0], None)


def _text(number: int) -> tuple[str, str]:
    team = list(TEAMS)[number % 3]
    words = TEAMS[team]
    marks = " ".join(f"{number * factor % 99_991:05d}" for factor in (7919, 104_729, 15_485_863))
    return f"{words[number % 4]} {marks.translate(_LETTERS)} {words[number // 4 % 4]}", team
