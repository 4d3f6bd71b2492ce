"""Prepare under faults: every night ends as the undisturbed one, at once or when it is run again."""

from datetime import date

import pytest
from nightloom.registry.database import open_database
from nightloom.registry.nights import read_outcomes
from nightloom.registry.refs import read_log_tail

from .conftest import NIGHT, WRITES, Child, Ended, Fresh

PASSING = [
    *(
        pytest.param(["PutObject"], kind, id=f"writes {kind}")
        for kind in ("409", "412", "500", "503", "timeout", "lost")
    ),
    *(
        pytest.param(["GetObject", "HeadObject"], kind, id=f"reads {kind}")
        for kind in ("500", "503", "timeout", "lost")
    ),
]


def prepare(child: Child, **harm: object) -> Ended:
    return child.run("prepare", recipe="triage", night=NIGHT, harm=harm or None)


def check_night(preparation: str) -> None:
    """The night was prepared once: it has one outcome, and `latest` moved once."""
    (outcome,) = read_outcomes(open_database(), "triage", until=date.max, limit=9)
    assert (outcome.status, outcome.manifest) == ("done", preparation)
    assert [move.name for move in read_log_tail(open_database())] == ["latest"]


def check_passing_fault(
    child: Child, fresh: Fresh, undisturbed: str, operations: list[str], kind: str, at: int
) -> bool:
    """Whether the night was over before the fault could happen."""
    with fresh():
        ended = prepare(child, kind=kind, operations=operations, at=at)
        assert ended.result == undisturbed, f"{kind} at call {at}: {ended.error}"
        check_night(undisturbed)
    return ended.done


def check_kill(child: Child, fresh: Fresh, undisturbed: str, at: int) -> bool:
    """Whether the night was over before it could be killed."""
    with fresh():
        ended = prepare(child, kind="kill", operations=WRITES, at=at)
        assert ended.killed != ended.done
        assert prepare(child).result == undisturbed, f"killed at write {at}"
        check_night(undisturbed)
    return ended.done


def test_killed_night_resumes(child: Child, fresh: Fresh, undisturbed: str) -> None:
    assert not check_kill(child, fresh, undisturbed, 19)


def test_lost_response_writes_once(child: Child, fresh: Fresh, undisturbed: str) -> None:
    assert not check_passing_fault(child, fresh, undisturbed, ["PutObject"], "lost", 9)


def test_concurrent_runs_are_one_night(child: Child, fresh: Fresh, undisturbed: str) -> None:
    with fresh():
        both = child.run_at_once([("prepare", {"recipe": "triage", "night": NIGHT})] * 2)
        assert [ended.result for ended in both] == [undisturbed] * 2
        check_night(undisturbed)


@pytest.mark.fault
def test_night_survives_a_kill_anywhere(child: Child, fresh: Fresh, undisturbed: str) -> None:
    over = (at for at in range(1, 200) if check_kill(child, fresh, undisturbed, at))
    assert next(over) > 25


@pytest.mark.fault
@pytest.mark.parametrize(("operations", "kind"), PASSING)
def test_transient_fault_changes_nothing(
    child: Child, fresh: Fresh, undisturbed: str, operations: list[str], kind: str
) -> None:
    over = (at for at in range(1, 200) if check_passing_fault(child, fresh, undisturbed, operations, kind, at))
    assert next(over) > 10


@pytest.mark.fault
@pytest.mark.parametrize("kind", ["403", "503", "timeout"])
def test_night_resumes_after_store_outage(child: Child, fresh: Fresh, undisturbed: str, kind: str) -> None:
    for at in (1, 4, 8, 12, 16, 24):
        with fresh():
            operations = ["PutObject", "GetObject", "HeadObject"]
            ended = prepare(child, kind=kind, operations=operations, at=at, lasting=True)
            assert "StoreError: the object store could not" in str(ended.error)
            assert prepare(child).result == undisturbed
            check_night(undisturbed)
