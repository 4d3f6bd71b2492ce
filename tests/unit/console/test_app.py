"""The console's pages, without Airflow's own checks: those are tested on a real Airflow."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from types import ModuleType, SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from nightloom.artifacts.data import Curated, CuratedProvenance
from nightloom.artifacts.results import Report, ReportContent, ReportProvenance
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.members import add_member
from nightloom.registry.nights import end_stage

NIGHT = date(2026, 11, 23)


@pytest.fixture
def console() -> ModuleType:
    """The pages. Airflow takes seconds to load, which only who runs these tests should wait for."""
    from nightloom.console import app

    return app


@pytest.fixture
def client(
    console: ModuleType, store: ObjectStore, registry: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """Somebody who may see everything, and one report."""
    report = Report(
        content=ReportContent(recipe="triage", night="2026-11-23", facts=store.put_blob(b"{}")),
        provenance=ReportProvenance(html=store.put_blob(b"<h1>Promoted</h1>")),
    )
    end_stage(registry, "triage", NIGHT, "report", "done", "report", store.publish(report).id)
    monkeypatch.setattr(console, "open_store", lambda: store)
    monkeypatch.setattr(console, "open_database", lambda: registry)
    for guard in console.app.router.dependencies:
        monkeypatch.setitem(console.app.dependency_overrides, guard.dependency, lambda: None)
    with TestClient(console.app) as client:
        yield client


def show_run(monkeypatch: pytest.MonkeyPatch, client: TestClient, page: str = "report", **run: object) -> str:
    from airflow.api_fastapi.common.db.common import _get_session

    known = {"conf": {}, "partition_key": None, "logical_date": None, "run_after": datetime(2026, 11, 23, tzinfo=UTC)}
    session = SimpleNamespace(scalar=lambda _query: SimpleNamespace(**{**known, **run}))
    monkeypatch.setitem(client.app.dependency_overrides, _get_session, lambda: session)  # type: ignore[attr-defined]
    return client.get(f"/dags/triage__finetune/runs/manual__2026-11-23T01:00:00+00:00/{page}").text


def test_a_report_is_shown_as_it_was_stored(client: TestClient) -> None:
    answer = client.get("/dags/triage__report/nights/2026-11-23/report")
    assert (answer.status_code, answer.text) == (200, "<h1>Promoted</h1>")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")


def test_a_run_shows_the_report_of_its_partition(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert show_run(monkeypatch, client, partition_key="2026-11-23") == "<h1>Promoted</h1>"


def test_a_run_shows_the_report_of_the_night_it_was_asked_for(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert show_run(monkeypatch, client, conf={"night": "2026-11-23"}) == "<h1>Promoted</h1>"
    assert "night 2026-11-22" in show_run(monkeypatch, client, conf={"night": "2026-11-22"})


def test_data_docs_are_shown_of_a_night_and_of_a_run(
    client: TestClient, store: ObjectStore, registry: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Curated.Content(
        records="r",
        eval_sets=(),
        parent=None,
        releases=None,
        operations={},
        scanners={},
        tokens=None,
        examples=(),
        ledger=(),
        quarantine=(),
        contamination=None,
        counts=(),
        expectations=(),
        refusal="too few rows",
    )
    docs = CuratedProvenance(docs=store.put_blob(b"<h1>Data Docs</h1>"))
    curated = store.publish(Curated(content=content, provenance=docs))
    add_member(registry, "triage", NIGHT, "curated", curated.id)
    assert client.get("/dags/triage__prepare/nights/2026-11-23/docs").text == "<h1>Data Docs</h1>"
    assert show_run(monkeypatch, client, "docs", partition_key="2026-11-23") == "<h1>Data Docs</h1>"


def test_a_night_without_data_docs_says_so(client: TestClient) -> None:
    answer = client.get("/dags/triage__prepare/nights/2026-11-23/docs")
    assert (answer.status_code, "Nothing has been validated" in answer.text) == (404, True)


def test_a_night_without_a_report_says_so(client: TestClient) -> None:
    answer = client.get("/dags/triage__prepare/nights/2026-11-01/report")
    assert answer.status_code == 404
    assert "Nothing has been reported of this night." in answer.text


def test_a_dag_that_is_no_stage_has_no_report(client: TestClient) -> None:
    answer = client.get("/dags/<b>night__watch/nights/2026-11-23/report")
    assert answer.status_code == 404
    assert "&lt;b&gt;night__watch is no Dag of a night" in answer.text


def test_a_store_that_lost_the_page_says_what_to_do(
    client: TestClient, console: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "open_store", lambda: ObjectStore(Bucket(EmptyS3(), "bucket")))
    answer = client.get("/dags/triage__report/nights/2026-11-23/report")
    assert answer.status_code == 503
    assert "is not in the store" in answer.text


class EmptyS3:
    """An S3 that knows nothing."""

    meta = SimpleNamespace(endpoint_url="memory")

    def get_object(self, **_: object) -> None:
        from botocore.exceptions import ClientError

        raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
