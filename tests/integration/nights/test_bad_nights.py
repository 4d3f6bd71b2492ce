"""Nights that go wrong: a clear message, a report, the same champion, and success once the cause is fixed."""

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from botocore.awsrequest import AWSResponse
from nightloom.artifacts.data import Preparation
from nightloom.core.errors import ConflictError, InputError, StoreError
from nightloom.core.ownership import take_over_prefix
from nightloom.core.settings import get_settings
from nightloom.core.stages import Stage
from nightloom.nightly.chain import run_night
from nightloom.registry.database import open_database
from nightloom.registry.nights import StageOutcome, begin_stage, read_night, read_outcome
from nightloom.registry.refs import read_ref
from nightloom.registry.store import open_store

from .conftest import Installation, back, harmed

pytestmark = pytest.mark.usefixtures("children_in_this_process")


def run(night: str) -> dict[str, StageOutcome]:
    return {outcome.stage: outcome for outcome in run_night("triage", night, lambda *_: None)}


def test_failed_night_leaves_no_row_behind(installation: Installation) -> None:
    installation.execute("DELETE FROM tickets WHERE id LIKE '1-%'")
    run(back(2))
    with harmed(installation, "source is down"):
        assert run(back(1))["prepare"].status == "failed"
    outcomes = run(back(0))
    assert outcomes["prepare"].status == "done"
    preparation = open_store().load(Preparation, str(outcomes["prepare"].manifest)).content
    assert preparation.rows_in == 60
    installation.execute("DELETE FROM tickets WHERE team IS NULL")
    assert run(back(0))["prepare"].status == "done"


@pytest.mark.parametrize(
    "late",
    [
        "INSERT INTO tickets SELECT 'late', updated_at, 'a question', team FROM tickets WHERE id = '2-0'",
        "UPDATE tickets SET updated_at = replace(updated_at, '01:00', '02:00') WHERE id = '2-0'",
    ],
    ids=["late row", "late edit"],
)
def test_empty_night_finds_late_rows(installation: Installation, late: str) -> None:
    installation.execute("DELETE FROM tickets WHERE id LIKE '1-%'")
    run(back(1))
    assert run(back(0))["prepare"].status == "nothing_new"
    installation.execute(late)
    assert run(back(0))["prepare"].status == "done"


@pytest.mark.parametrize(
    ("harm", "status", "message"),
    [
        ("empty source", "refused", "the source returned no rows"),
        ("no new rows", "nothing_new", "the source has no new rows"),
        ("source is down", "failed", "connection 'tickets'"),
        ("wrong column", "refused", "'bodi'"),
        ("column is gone", "refused", "no such column: team"),
        ("target missing in every row", "refused", "the target is missing in every row"),
        ("too few rows", "refused", "min_rows requires at least 5000"),
    ],
    ids=[
        "empty source",
        "no new rows",
        "source is down",
        "wrong column",
        "column is gone",
        "no target",
        "too few rows",
    ],
)
def test_bad_night_keeps_the_champion(
    champion_installation: Installation, harm: str, status: str, message: str
) -> None:
    champion = read_ref(open_database(), "triage", "champion")
    with harmed(champion_installation, harm):
        outcomes = run(back(4))
    assert (outcomes["prepare"].status, outcomes["finetune"].status) == (status, "nothing_new")
    assert message in outcomes["prepare"].message
    assert outcomes["report"].status == "done"
    assert read_ref(open_database(), "triage", "champion") == champion
    assert run(back(4))["prepare"].status == "done"


@pytest.mark.parametrize("stage", ["prepare", "predict"])
@pytest.mark.usefixtures("installation")
def test_run_next_to_another_is_not_done(stage: Stage) -> None:
    failures: list[Exception] = []

    def begin_elsewhere(running: str, _step: str) -> None:
        if running == "report":
            begin_stage(open_database(), "triage", date.fromisoformat(back(0)), stage)

    run_night("triage", back(0), begin_elsewhere, failures.append)
    (failure,) = failures
    assert isinstance(failure, ConflictError)
    assert failure.exit_code == 3
    assert str(failure).startswith(f"another process runs {stage} of night {back(0)} at the same time")


def test_refusing_store_is_a_clear_error(champion_installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("NIGHTLOOM_STORE_SECRET_KEY", "wrong")
        forget_store()
        with pytest.raises(StoreError, match="the object store could not"):
            run(back(3))
    forget_store()
    reported = read_outcome(open_database(), "triage", date.fromisoformat(back(3)), "report")
    assert reported
    assert (reported.status, "the object store could not" in reported.message) == ("failed", True)
    assert run(back(3))["report"].status == "done"


@pytest.mark.usefixtures("installation")
def test_store_of_another_registry_is_refused() -> None:
    take_over_prefix(open_store(), "another")
    with pytest.raises(InputError, match=r"prefix .* belongs to another registry \(another\)"):
        run(back(1))
    assert read_night(open_database(), "triage", date.fromisoformat(back(1))) is None


def test_full_store_is_a_clear_error(champion_installation: Installation) -> None:
    champion_installation.add_tickets(3, days_ago=3, first=800)
    events = open_store().bucket.client.meta.events
    full = answer_every_put_with_full_disk
    events.register("before-send.s3.PutObject", full)
    with pytest.raises(StoreError, match="could not write"):
        run(back(2))
    events.unregister("before-send.s3.PutObject", full)
    assert run(back(2))["prepare"].status == "done"


@pytest.mark.skipif("NIGHTLOOM_TEST_DATA" not in os.environ, reason="NIGHTLOOM_TEST_DATA names no folder of test data")
def test_naughty_strings_lose_no_row(champion_installation: Installation) -> None:
    strings = json.loads((Path(os.environ["NIGHTLOOM_TEST_DATA"]) / "naughty-strings" / "blns.json").read_text())
    moment = f"{back(2)} 05:00:00"
    rows = [
        {"id": f"naughty-{n}-{team}", "updated_at": moment, "body": text, "team": team}
        for n, text in enumerate(strings)
        for team in ("billing", None)
    ]
    with harmed(champion_installation, "no limits"):
        champion_installation.execute("INSERT INTO tickets VALUES (:id, :updated_at, :body, :team)", *rows)
        outcomes = run(back(1))
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    preparation = open_store().load(Preparation, str(outcomes["prepare"].manifest)).content
    assert sum(count.rows for count in preparation.counts) == preparation.rows_in


def forget_store() -> None:
    get_settings.cache_clear()
    open_store.cache_clear()


def answer_every_put_with_full_disk(request: object, **_: object) -> AWSResponse:
    return AWSResponse("memory", 507, {}, _Body(b"<Error><Code>InsufficientStorage</Code></Error>"))


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Iterator[bytes]:
        yield self._data

    def read(self) -> bytes:
        return self._data
