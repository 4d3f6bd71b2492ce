"""Garbage collection under faults: what a night has made is there, whatever happens to the collector."""

import pytest
from nightloom.artifacts.data import Preparation
from nightloom.registry.store import open_store
from nightloom.snapshots.verify import verify_snapshot

from .conftest import NIGHT, Child, Fresh

CALLS = ["CopyObject", "DeleteObject"]


def check_night(child: Child, preparation: str) -> None:
    """Nothing of the night is missing, and nothing has to be made again."""
    prepared = open_store().load(Preparation, preparation).content
    verify_snapshot(open_store(), prepared.snapshot)
    assert all(open_store().has_blob(part) for part in (*prepared.ledger, *prepared.quarantine))
    assert child.run("prepare", recipe="triage", night=NIGHT).result == preparation


def collect_killed(child: Child, at: int) -> bool:
    """Kill a collection that moves three blobs away, and a later one that deletes them; return whether both ended."""
    for number in range(3):
        open_store().put_blob(f"unreferenced {at} {number}".encode())
    ended = []
    for days in (3, 6):
        harm = {"kind": "kill", "operations": CALLS, "at": at}
        ended.append(child.run("collect", days=days, harm=harm))
        assert ended[-1].killed != ended[-1].done
        assert child.run("collect", days=days).error is None
    return all(one.done for one in ended)


def check_nothing_is_left(child: Child) -> None:
    for days in (9, 12):
        child.run("collect", days=days)
    assert list(open_store().bucket.list_objects("trash/")) == []


def test_killed_collection_resumes(child: Child, fresh: Fresh, undisturbed: str) -> None:
    with fresh():
        child.run("prepare", recipe="triage", night=NIGHT)
        assert not collect_killed(child, at=2)
        check_nothing_is_left(child)
        check_night(child, undisturbed)


@pytest.mark.fault
def test_collection_survives_a_kill_anywhere(child: Child, fresh: Fresh, undisturbed: str) -> None:
    with fresh():
        child.run("prepare", recipe="triage", night=NIGHT)
        assert next(at for at in range(1, 100) if collect_killed(child, at)) > 4
        check_nothing_is_left(child)
        check_night(child, undisturbed)


@pytest.mark.fault
def test_collection_spares_a_running_night(child: Child, fresh: Fresh, undisturbed: str) -> None:
    """Every run finds all blobs of the run before: unreferenced, old and about to be moved."""
    steps = [("prepare", {"recipe": "triage", "night": NIGHT}), ("collect", {"days": 3})]
    with fresh():
        for _ in range(10):
            prepared, collected = child.run_at_once(steps)
            assert (prepared.result, prepared.error, collected.error) == (undisturbed, None, None)
        check_night(child, undisturbed)
