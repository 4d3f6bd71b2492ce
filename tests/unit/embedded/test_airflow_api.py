import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from nightloom.core.errors import FaultError
from nightloom.embedded.airflow_api import AirflowApi, DagRun, TaskRun

Answer = Callable[[httpx.Request], httpx.Response]

RUN: dict[str, Any] = {
    "dag_id": "r__predict",
    "dag_run_id": "run",
    "state": "running",
    "conf": {},
    "partition_key": "2026-11-23",
    "queued_at": "2026-11-23T01:00:01Z",
    "run_after": "2026-11-23T01:00:00Z",
}


def api(answer: Answer) -> AirflowApi:
    return AirflowApi("http://airflow", "admin", "secret", transport=httpx.MockTransport(answer))


def with_login(answer: Answer) -> Answer:
    """Answer like Airflow: refuse requests without a token, and return one for the right password."""

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            right = json.loads(request.content) == {"username": "admin", "password": "secret"}
            return httpx.Response(201, json={"access_token": "token"}) if right else httpx.Response(401)
        if request.headers.get("Authorization") != "Bearer token":
            return httpx.Response(401)
        return answer(request)

    return respond


def test_client_logs_in_when_needed() -> None:
    airflow = api(with_login(lambda _: httpx.Response(200, json=RUN)))

    assert airflow.run("r__predict", "run") == DagRun(
        dag_id="r__predict",
        run_id="run",
        state="running",
        night="2026-11-23",
        queued_at=datetime(2026, 11, 23, 1, 0, 1, tzinfo=UTC),
        run_after=datetime(2026, 11, 23, 1, tzinfo=UTC),
    )


def test_wrong_password_is_refused() -> None:
    airflow = api(with_login(lambda _: httpx.Response(200, json=RUN)))
    airflow.password = "wrong"

    with pytest.raises(FaultError, match="Airflow at http://airflow refused the login of 'admin'"):
        airflow.run("r__predict", "run")


def test_form_night_overrides_partition() -> None:
    airflow = api(lambda _: httpx.Response(200, json={**RUN, "conf": {"night": "2026-11-01"}}))

    assert airflow.run("r__predict", "run").night == "2026-11-01"


def test_unknown_dag_has_no_runs() -> None:
    airflow = api(lambda _: httpx.Response(404, json={"detail": "not found"}))

    assert airflow.runs("r__predict") == []
    assert airflow.unpause("r__predict") is False


def test_empty_form_is_empty_conf() -> None:
    asked: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json=RUN)

    api(answer).trigger("r__prepare", {})

    assert asked == [{"logical_date": None, "conf": {}}]


@pytest.mark.parametrize(
    ("found", "asked"),
    [
        (httpx.Response(200, json={"name": "gpu", "slots": 4}), ["GET"]),
        (httpx.Response(404, json={"detail": "not found"}), ["GET", "POST"]),
    ],
    ids=["there", "missing"],
)
def test_missing_pool_is_created(found: httpx.Response, asked: list[str]) -> None:
    methods: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        methods.append(request.method)
        return found if request.method == "GET" else httpx.Response(201, json={})

    api(answer).ensure_pool("gpu", slots=1, description="d")

    assert methods == asked


def test_refusal_has_its_reason() -> None:
    airflow = api(lambda _: httpx.Response(400, text="night is not a date"))

    with pytest.raises(FaultError, match="refused POST /dags/r__prepare/dagRuns with 400: night is not a date"):
        airflow.trigger("r__prepare", {"night": "x"})


def test_unreachable_airflow_is_a_fault() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        msg = "refused"
        raise httpx.ConnectError(msg, request=request)

    with pytest.raises(FaultError, match="did not answer GET /importErrors"):
        api(answer).import_errors()


def test_read_is_repeated_after_timeout() -> None:
    late = iter([True, True, False])

    def answer(request: httpx.Request) -> httpx.Response:
        if next(late):
            msg = "late"
            raise httpx.ReadTimeout(msg, request=request)
        return httpx.Response(200, json=RUN)

    assert api(answer).run("r__predict", "run").state == "running"


def test_post_is_not_repeated_after_timeout() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        msg = "late"
        raise httpx.ReadTimeout(msg, request=request)

    with pytest.raises(FaultError):
        api(answer).trigger("r__prepare", {})

    assert asked == ["POST"]


def test_post_is_repeated_after_server_error() -> None:
    answers = iter([httpx.Response(500), httpx.Response(500), httpx.Response(200, json=RUN)])

    assert api(lambda _: next(answers)).trigger("r__prepare", {}).state == "running"


@pytest.mark.parametrize(("paused", "asked"), [(True, ["GET", "PATCH"]), (False, ["GET"]), (None, ["GET"])])
def test_paused_dag_is_unpaused(paused: bool | None, asked: list[str]) -> None:
    methods: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        methods.append(request.method)
        known = {"dag_id": "r__predict", "is_paused": paused}
        return httpx.Response(404, json={}) if paused is None else httpx.Response(200, json=known)

    assert api(answer).unpause("r__predict") == (paused is not None)
    assert methods == asked


def test_tasks_are_read_page_by_page() -> None:
    known = [
        {
            "dag_id": "r__finetune",
            "dag_run_id": "run",
            "task_id": "train_trial",
            "try_number": 1,
            "map_index": n,
            "state": "queued",
            "duration": None,
            "rendered_map_index": f"trial {n}",
        }
        for n in range(230)
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        first, most = (int(request.url.params[name]) for name in ("offset", "limit"))
        return httpx.Response(200, json={"task_instances": known[first : first + min(100, most)]})

    tasks = api(answer).tasks(DagRun("r__finetune", "run", "running", None, datetime.now(UTC), datetime.now(UTC)))

    assert [task.label for task in tasks] == [f"trial {n}" for n in range(230)]


def test_only_nightloom_log_lines_are_shown() -> None:
    content = [
        {"event": "::group::x"},
        {"event": "step 3 of 8", "logger": "nightloom.training"},
        {"event": "Done", "logger": "airflow.task"},
    ]
    task = TaskRun("r__finetune", "run", "train_trial", 0, 1, "running", None)

    line = api(lambda _: httpx.Response(200, json={"content": content})).last_log_line(task)

    assert line == "step 3 of 8"
