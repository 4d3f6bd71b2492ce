"""Planted faults of the example: expected outcomes, and few changes of other rows."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from nightloom.artifacts.reading import read_records
from nightloom.core.nights import compute_cut
from nightloom.core.store import ObjectStore
from nightloom.curation.planted import measure_planted
from nightloom.examples.support_triage.feed import feed
from nightloom.examples.support_triage.grammar import TEAMS, URGENCIES
from nightloom.recipes.preparation import PlantedRows, Prepare
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import SqlSource
from nightloom.sources.extract import extract_records, read_planted_rows

from .conftest import curate

DAY = date(2026, 11, 23)
ANSWER = {
    "team": AnswerField(column="team", one_of=TEAMS),
    "urgency": AnswerField(column="urgency", one_of=URGENCIES),
    "reply": AnswerField(column="reply"),
}
COLUMNS = Columns(key="ticket_id", updated_at="updated_at", text="text")
TICKETS = "SELECT * FROM ticket_history WHERE status <> 'open' AND updated_at < :cut_to"


def query(sql: str) -> SqlSource:
    return SqlSource(kind="sql", connection="tickets", query=sql)


@pytest.mark.parametrize("seed", [4711, 4712, 4713])
def test_planted_faults_are_found(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", f"sqlite:///{tmp_path / 'tickets.db'}")
    feed(f"sqlite:///{tmp_path / 'tickets.db'}", seed=seed, first_day=DAY - timedelta(days=21), last_day=DAY)
    night = compute_cut("support_triage", DAY, "UTC")
    settings = Prepare(source=query(TICKETS))
    records = extract_records(store, settings.source, COLUMNS, ANSWER, night=night, window_days=30)
    curation = curate(read_records(store, records.id), ANSWER, settings)
    planted = PlantedRows(
        source=query("SELECT * FROM planted_faults"), key="ticket_id", kind="kind", outcome="outcome", rule="rule"
    )
    report = measure_planted(curation.ledger, read_planted_rows(planted, night=night, window_days=30))
    assert len(report.results) == 10
    assert [result.kind for result in report.results if result.as_expected < 0.99 * result.planted] == []
    assert report.other_rows > 1000
    assert report.other_rows_changed <= 0.005 * report.other_rows
