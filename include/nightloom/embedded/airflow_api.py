"""Airflow's REST API: the calls for health, pools, and for starting and following runs."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from nightloom.core.errors import FaultError
from nightloom.embedded.instance import ADMIN, Instance

_TIMEOUT_S = 30
_ATTEMPTS = 5
_PAGE = 100  # the most that Airflow returns at once


@dataclass(frozen=True, slots=True)
class DagRun:
    """A run of a Dag at the time of the request."""

    dag_id: str
    run_id: str
    state: str
    night: str | None
    queued_at: datetime
    run_after: datetime

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.state in ("success", "failed")


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A task of a run at the time of the request. `label` is what it is mapped over, such as `trial 3`."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str
    duration_s: float | None
    label: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(slots=True)
class AirflowApi:
    """Client of one Airflow as one user. Logs in when Airflow asks for it."""

    url: str
    user: str
    password: str = field(repr=False)
    transport: httpx.BaseTransport | None = field(default=None, repr=False)
    _client: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            base_url=self.url,
            timeout=_TIMEOUT_S,
            transport=self.transport,
            # No connection stays open between requests, so the client needs no closing.
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,  # a proxy of the environment must not be used for loopback
        )

    @classmethod
    def of(cls, instance: Instance) -> "AirflowApi":
        """Return the API of an embedded Airflow."""
        return cls(instance.airflow_url, ADMIN, instance.secrets["admin_password"])

    def health(self) -> dict[str, str]:
        """Return the status of each component by name. Needs no login."""
        response = self._client.get("/api/v2/monitor/health")
        response.raise_for_status()
        return {name: str(part["status"]) for name, part in response.json().items() if part}

    def ensure_pool(self, name: str, *, slots: int, description: str) -> None:
        """Create a pool if it does not exist. An existing pool keeps its size."""
        if "name" not in self._ask("GET", f"/pools/{name}", accept=(404,)):
            body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
            self._ask("POST", "/pools", json=body, accept=(409,))

    def unpause(self, dag_id: str) -> bool:
        """Unpause a Dag, and return whether Airflow knows it."""
        found = self._ask("GET", f"/dags/{dag_id}", accept=(404,))
        if found.get("is_paused"):
            self._ask("PATCH", f"/dags/{dag_id}", json={"is_paused": False})
        return "dag_id" in found

    def import_errors(self) -> list[str]:
        """Return the import errors of files under dags/."""
        found = self._ask("GET", "/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in found]

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> DagRun:
        """Start a run as the trigger form does. An empty `conf` is the empty form."""
        body = {"logical_date": None, "conf": dict(conf)}
        return _as_run(self._ask("POST", f"/dags/{dag_id}/dagRuns", json=body))

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """Return a run."""
        return _as_run(self._ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str, **filters: Any) -> list[DagRun]:
        """Return the newest runs of a Dag, newest first, or an empty list if Airflow does not know the Dag."""
        query = {"order_by": "-id", "limit": 20, **filters}
        found = self._ask("GET", f"/dags/{dag_id}/dagRuns", params=query, accept=(404,))
        return [_as_run(run) for run in found.get("dag_runs", ())]

    def tasks(self, run: DagRun) -> list[TaskRun]:
        """Return the tasks of a run in the order of their start."""
        path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        tasks: list[TaskRun] = []
        while True:  # a run of many trials has several pages
            query = {"limit": _PAGE, "offset": len(tasks), "order_by": "start_date"}
            found = self._ask("GET", path, params=query)["task_instances"]
            tasks += map(_as_task, found)
            if len(found) < _PAGE:
                return tasks

    def last_log_line(self, task: TaskRun) -> str | None:
        """Return the last line that Nightloom logged in a task, or None if there is none."""
        path = f"/dags/{task.dag_id}/dagRuns/{task.run_id}/taskInstances/{task.task_id}/logs/{task.try_number}"
        found = self._ask("GET", path, params={"map_index": task.map_index}, accept=(404,))
        ours = [
            str(line["event"])
            for line in found.get("content", ())
            if isinstance(line, dict) and str(line.get("logger", "")).startswith("nightloom")
        ]
        return ours[-1] if ours else None

    def _ask(self, method: str, path: str, *, accept: tuple[int, ...] = (), **request: Any) -> Any:
        """Send a request and return its JSON. Log in first if the last login has expired.

        Raises:
            FaultError: Airflow did not answer, or answered with an error that is not in `accept`.
        """
        try:
            response = self._send(method, path, request)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._log_in()
                response = self._send(method, path, request)
        except httpx.HTTPError as error:
            msg = f"Airflow at {self.url} did not answer {method} {path} ({error}); `make up` starts it"
            raise FaultError(msg) from error
        if response.is_error and response.status_code not in accept:
            msg = f"Airflow refused {method} {path} with {response.status_code}: {response.text[:300]}"
            raise FaultError(msg)
        return response.json()

    def _send(self, method: str, path: str, request: Mapping[str, Any]) -> httpx.Response:
        # A machine that is training answers late. Reads can be repeated after a timeout, a POST cannot. A server error
        # means that SQLite was locked and nothing was changed: every request can be repeated.
        may_repeat = () if method == "POST" else (httpx.TimeoutException,)
        for _ in range(_ATTEMPTS - 1):
            with suppress(*may_repeat):
                response = self._client.request(method, f"/api/v2{path}", **request)
                if not response.is_server_error:
                    return response
        return self._client.request(method, f"/api/v2{path}", **request)

    def _log_in(self) -> None:
        answer = self._client.post("/auth/token", json={"username": self.user, "password": self.password})
        if answer.is_error:
            msg = f"Airflow at {self.url} refused the login of {self.user!r} with {answer.status_code}"
            raise FaultError(msg)
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def _as_run(document: Mapping[str, Any]) -> DagRun:
    run_after = datetime.fromisoformat(document["run_after"])
    return DagRun(
        dag_id=document["dag_id"],
        run_id=document["dag_run_id"],
        state=document["state"],
        night=(document["conf"] or {}).get("night") or document["partition_key"],
        queued_at=datetime.fromisoformat(document["queued_at"]) if document["queued_at"] else run_after,
        run_after=run_after,
    )


def _as_task(document: Mapping[str, Any]) -> TaskRun:
    return TaskRun(
        dag_id=document["dag_id"],
        run_id=document["dag_run_id"],
        task_id=document["task_id"],
        map_index=document["map_index"],
        try_number=document["try_number"],
        state=document["state"] or "none",
        duration_s=document["duration"],
        label=document.get("rendered_map_index"),
        started_at=_as_time(document.get("start_date")),
        ended_at=_as_time(document.get("end_date")),
    )


def _as_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
