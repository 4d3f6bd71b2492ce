"""The console's pages without Airflow's access checks, which are tested on a real Airflow."""

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
    """The app, imported late because Airflow takes seconds to load."""
    from nightloom.console import app

    return app


@pytest.fixture
def client(
    console: ModuleType, store: ObjectStore, registry: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A client that may see everything, with one stored report."""
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


def test_report_is_shown_unchanged(client: TestClient) -> None:
    answer = client.get("/dags/triage__report/nights/2026-11-23/report")
    assert (answer.status_code, answer.text) == (200, "<h1>Promoted</h1>")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")


def test_run_shows_report_of_partition(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert show_run(monkeypatch, client, partition_key="2026-11-23") == "<h1>Promoted</h1>"


def test_run_shows_report_of_asked_night(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert show_run(monkeypatch, client, conf={"night": "2026-11-23"}) == "<h1>Promoted</h1>"
    assert "night 2026-11-22" in show_run(monkeypatch, client, conf={"night": "2026-11-22"})


def test_night_and_run_show_data_docs(
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


def test_night_without_data_docs_is_404(client: TestClient) -> None:
    answer = client.get("/dags/triage__prepare/nights/2026-11-23/docs")
    assert (answer.status_code, "This night has no Data Docs" in answer.text) == (404, True)


def test_night_without_report_is_404(client: TestClient) -> None:
    answer = client.get("/dags/triage__prepare/nights/2026-11-01/report")
    assert answer.status_code == 404
    assert "This night has no report yet." in answer.text


def test_other_dag_has_no_report(client: TestClient) -> None:
    answer = client.get("/dags/<b>night__watch/nights/2026-11-23/report")
    assert answer.status_code == 404
    assert "&lt;b&gt;night__watch is not a Dag of a night" in answer.text


def test_lost_page_is_503(client: TestClient, console: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "open_store", lambda: ObjectStore(Bucket(EmptyS3(), "bucket")))
    answer = client.get("/dags/triage__report/nights/2026-11-23/report")
    assert answer.status_code == 503
    assert "is not in the store" in answer.text


class EmptyS3:
    """An empty S3."""

    meta = SimpleNamespace(endpoint_url="memory")

    def get_object(self, **_: object) -> None:
        from botocore.exceptions import ClientError

        raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
