"""Erasure under faults: a second run completes a killed erasure, and no other row is harmed."""

import pytest
from nightloom.artifacts.data import Preparation
from nightloom.artifacts.reading import read_records, read_snapshot
from nightloom.registry.database import open_database
from nightloom.registry.erasures import find_erasure
from nightloom.registry.store import open_store
from nightloom.snapshots.verify import verify_snapshot

from .conftest import NIGHT, Child, Fresh

CALLS = ["PutObject", "DeleteObject", "commit"]
ROW = "2-3"


def read_ids(preparation: str) -> list[list[str]]:
    """Return the ids of the night's records, examples and snapshot."""
    store = open_store()
    prepared = store.load(Preparation, preparation).content
    frames = (read_records(store, prepared.records), read_snapshot(store, prepared.snapshot))
    return [sorted(frame["row_id"]) for frame in frames]


def check_killed(child: Child, fresh: Fresh, harm: dict[str, object]) -> bool:
    """Harm an erasure, run it again, and return whether it had ended before the harm."""
    with fresh():
        preparation = str(child.run("prepare", recipe="triage", night=NIGHT).result)
        before = read_ids(preparation)
        ended = child.run("erase", row_id=ROW, harm=harm)
        assert child.run("erase", row_id=ROW).error is None
        erasure = find_erasure(open_database(), "triage", ROW)
        assert erasure
        assert erasure.finished_at
        assert read_ids(preparation) == [[row_id for row_id in ids if row_id != ROW] for ids in before]
        snapshot = open_store().load(Preparation, preparation).content.snapshot
        assert [row.row_id for row in verify_snapshot(open_store(), snapshot).erased] == [ROW]
        assert child.run("collect", days=9).error is None
    return ended.done


def test_killed_erasure_resumes(child: Child, fresh: Fresh) -> None:
    assert not check_killed(child, fresh, {"kind": "kill", "operations": CALLS, "at": 6})


@pytest.mark.fault
@pytest.mark.parametrize("kind", ["kill", "503", "lost", "timeout"])
def test_erasure_survives_a_fault_anywhere(child: Child, fresh: Fresh, kind: str) -> None:
    calls = CALLS if kind == "kill" else CALLS[:2]
    over = (at for at in range(1, 100) if check_killed(child, fresh, {"kind": kind, "operations": calls, "at": at}))
    assert next(over) > 8


@pytest.mark.fault
def test_concurrent_erasures_erase_all_rows(child: Child, fresh: Fresh) -> None:
    with fresh():
        preparation = str(child.run("prepare", recipe="triage", night=NIGHT).result)
        rows = ["2-3", "2-4", "2-5", "3-6"]
        for ended in child.run_at_once([("erase", {"row_id": row_id}) for row_id in rows]):
            assert ended.error is None
        assert not {*rows} & {row_id for ids in read_ids(preparation) for row_id in ids}
        snapshot = open_store().load(Preparation, preparation).content.snapshot
        assert sorted(row.row_id for row in verify_snapshot(open_store(), snapshot).erased) == rows
