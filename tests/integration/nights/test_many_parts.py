"""A night of many rows: parts, processes of their own, and the same outcome for every row as in one part."""

import polars as pl
import pytest
from nightloom.artifacts import parts
from nightloom.artifacts.data import Preparation, Snapshot
from nightloom.artifacts.frames import LEDGER
from nightloom.artifacts.parts import read_parts
from nightloom.nightly import prepare
from nightloom.registry.store import open_store

from .conftest import Installation


def prepare_night(installation: Installation) -> Preparation:
    """Prepare tonight, and return the preparation."""
    night = prepare.open_night("triage")
    result: object = prepare.extract_records("triage", night)
    for step in (prepare.curate_records, prepare.build_snapshot):
        assert isinstance(result, str), result
        result = step("triage", night, result)
    assert isinstance(result, str)
    return open_store().load(Preparation, result)


@pytest.mark.timeout(300)
def test_many_parts_equal_one_part(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    installation.execute(
        "INSERT INTO tickets SELECT id || '-copy', updated_at, body, team FROM tickets WHERE team = 'billing'"
    )
    one = prepare_night(installation).content
    monkeypatch.setattr(parts, "PART_ROWS", 20)
    many = prepare_night(installation).content
    store = open_store()
    assert (len(one.ledger), len(many.ledger)) == (1, 8)
    assert (many.snapshot, many.counts) == (one.snapshot, one.counts)
    ledgers = [read_parts(store, night.ledger, LEDGER).sort("row_id", "version") for night in (one, many)]
    assert ledgers[0].equals(ledgers[1])
    assert ledgers[0].filter(pl.col("outcome") == "merged").height == 30
    assert len(store.load(Snapshot, many.snapshot).provenance.files) == 1
