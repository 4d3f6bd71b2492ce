"""A row is erased from whole nights: its text is nowhere in the store, all else stays, and it does not return."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import sqlalchemy as sa
from nightloom.artifacts.data import Preparation
from nightloom.artifacts.frames import LEDGER
from nightloom.artifacts.parts import find_lines
from nightloom.artifacts.reading import read_snapshot
from nightloom.nightly.chain import run_night
from nightloom.registry.database import open_database
from nightloom.registry.refs import read_ref
from nightloom.registry.store import open_store
from nightloom.snapshots.erase import erase_row
from nightloom.snapshots.verify import verify_snapshot

from .conftest import Installation, back, count_objects_with, install

pytestmark = pytest.mark.usefixtures("children_in_this_process")

PointSettings = Callable[..., AbstractContextManager[None]]


def run(night: str) -> None:
    run_night("triage", night, lambda *_: None)


def erase(row_id: str) -> tuple[dict[str, int], tuple[str, ...]]:
    erased = erase_row(open_store(), open_database(), "triage", row_id, who="eva", why="she asked for it")
    return dict(erased.blobs), erased.adapters


def words_of(installation: Installation, row_id: str, table: str = "tickets") -> str:
    with installation.engine.connect() as connection:
        return str(connection.scalar(sa.text(f"SELECT body FROM {table} WHERE id = :id"), {"id": row_id}))  # noqa: S608


@pytest.fixture(scope="module")
def nights(point_settings: PointSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with two nights; the tests erase one row of each."""
    with install(point_settings, tmp_path_factory.mktemp("erasure")) as made:
        run(back(1))
        run(back(0))
        yield made


def test_erased_text_is_nowhere(nights: Installation) -> None:
    words = words_of(nights, "2-3")
    assert count_objects_with(words) >= 6
    blobs, adapters = erase("2-3")
    assert set(blobs) >= {"records", "examples"}
    assert count_objects_with(words) == 0
    assert len(adapters) == 2


def test_snapshot_verifies_after_an_erasure(nights: Installation) -> None:
    erase("2-9")
    snapshot = read_ref(open_database(), "triage", "latest")
    verified = verify_snapshot(open_store(), str(snapshot))
    assert "2-9" in [row.row_id for row in verified.erased]
    rows = sum(verified.snapshot.content.splits.values())
    assert len(read_snapshot(open_store(), str(snapshot))) == rows - len(verified.erased)


def test_erasure_includes_the_predicted_answer(nights: Installation) -> None:
    words = words_of(nights, "1-503")
    blobs, adapters = erase("1-503")
    assert (blobs["lines"], blobs["answers"], adapters, count_objects_with(words)) == (1, 1, (), 0)


def test_erasure_includes_the_eval_item(nights: Installation) -> None:
    words = words_of(nights, "gold-7", table="gold")
    blobs, _ = erase("gold-7")
    assert (blobs["eval_items"], count_objects_with(words)) == (1, 0)
    assert min(blobs["scores"], blobs["outputs"], blobs["answers"]) >= 2


def test_rerun_restores_no_erased_row(nights: Installation) -> None:
    rows = {"2-4": "tickets", "1-504": "tickets", "gold-8": "gold"}
    words = [words_of(nights, row_id, table) for row_id, table in rows.items()]
    for row_id in rows:
        erase(row_id)
    outcomes = {outcome.stage: outcome for outcome in run_night("triage", back(0), lambda *_: None)}
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    assert [count_objects_with(one) for one in words] == [0, 0, 0]
    ledger = open_store().load(Preparation, str(outcomes["prepare"].manifest)).content.ledger
    assert find_lines(open_store(), ledger, LEDGER, "2-4")["outcome"].to_list() == ["quarantined"]
    assert erase("2-4")[0] == {}
