import multiprocessing
import threading
from datetime import date

import pytest
import sqlalchemy as sa
from nightloom.core.errors import ConflictError, RegistryError
from nightloom.registry.database import Database
from nightloom.registry.refs import move_ref, read_log_tail, read_ref, read_ref_before, verify_log
from nightloom.registry.tables import RefMoveRow, RefRow

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def move(registry, expected, value, *, night=MONDAY, name="champion", recipe="triage", **cited):
    move_ref(
        registry,
        recipe=recipe,
        name=name,
        expected=expected,
        value=value,
        night=night,
        who="ada",
        why="it is better",
        **cited,
    )


def test_unset_ref_is_none(registry):
    assert read_ref(registry, "triage", "champion") is None


def test_move_is_logged(registry):
    move(registry, None, "A", cites="v1", by_hand=True)
    (line,) = read_log_tail(registry)
    assert read_ref(registry, "triage", "champion") == "A"
    assert (line.number, line.recipe, line.name, line.old, line.new) == (1, "triage", "champion", None, "A")
    assert (line.night, line.who, line.why, line.cites, line.by_hand) == (MONDAY, "ada", "it is better", "v1", True)
    assert line.moved_at.tzinfo is not None


def test_stale_move_is_refused(registry):
    move(registry, None, "A")
    with pytest.raises(ConflictError, match="champion of triage is now A, but the decision was based on unset"):
        move(registry, None, "B")
    assert read_ref(registry, "triage", "champion") == "A"
    assert len(read_log_tail(registry)) == 1


def test_older_night_moves_nothing_back(registry):
    move(registry, None, "A", night=TUESDAY)
    with pytest.raises(ConflictError, match="was moved by the later night 2026-11-24"):
        move(registry, "A", "B", night=MONDAY)


def test_person_undoes_the_move_of_any_night(registry):
    move(registry, None, "A")
    move(registry, "A", "B", night=date(2027, 12, 31), by_hand=True)
    move(registry, "B", "A", night=TUESDAY, by_hand=True)
    assert read_ref_before(registry, "triage", "champion", date(2026, 11, 25)) == "A"
    move(registry, "A", "C", night=date(2026, 11, 25))
    assert read_ref(registry, "triage", "champion") == "C"


def test_night_sees_what_a_person_moved_for_it(registry):
    move(registry, None, "A")
    move(registry, "A", "B", night=TUESDAY)
    assert read_ref_before(registry, "triage", "champion", TUESDAY) == "A"
    move(registry, "B", "C", night=TUESDAY, by_hand=True)
    assert read_ref_before(registry, "triage", "champion", TUESDAY) == "C"


def test_move_to_same_value_is_skipped(registry):
    move(registry, None, "A")
    move(registry, None, "A")
    assert len(read_log_tail(registry)) == 1


def test_verdict_moves_ref_once(registry):
    move(registry, None, "A", cites="v1")
    move(registry, "A", "B", cites="v2")
    move(registry, "B", "A")
    move(registry, "A", "B", cites="v2")
    assert read_ref(registry, "triage", "champion") == "A"


def test_person_may_cite_verdict_again(registry):
    move(registry, None, "A", cites="v1")
    move(registry, "A", "B", cites="v2")
    move(registry, "B", "A", cites="v1", by_hand=True)
    assert [line.cites for line in read_log_tail(registry)] == ["v1", "v2", "v1"]


def test_other_refs_are_unchanged(registry):
    move(registry, None, "A")
    move(registry, None, "S", name="latest")
    move(registry, None, "X", recipe="banking")
    refs = (("triage", "champion"), ("triage", "latest"), ("banking", "champion"))
    assert [read_ref(registry, *ref) for ref in refs] == ["A", "S", "X"]
    assert [line.new for line in read_log_tail(registry, "triage")] == ["A", "S"]


def test_log_tail_filters_by_ref(registry):
    for old, new in ((None, "A"), ("A", "B"), ("B", "C")):
        move(registry, old, new)
    move(registry, None, "S", name="latest")
    move(registry, None, "X", recipe="banking")
    assert [line.new for line in read_log_tail(registry, "triage", "champion", limit=2)] == ["B", "C"]


def test_intact_log_is_verified(registry):
    move(registry, None, "A")
    move(registry, "A", "B")
    assert verify_log(registry) == 2


def test_ref_before_night_is_known(registry):
    move(registry, None, "A", night=MONDAY)
    move(registry, "A", "B", night=TUESDAY)
    before = [read_ref_before(registry, "triage", "champion", night) for night in (MONDAY, TUESDAY)]
    assert before == [None, "A"]


@pytest.mark.parametrize(
    "change",
    [
        sa.update(RefMoveRow).where(RefMoveRow.number == 2).values(who="mallory"),
        sa.update(RefMoveRow).where(RefMoveRow.number == 2).values(cites=None),
        sa.update(RefMoveRow).where(RefMoveRow.number == 2).values(by_hand=True),
        sa.update(RefMoveRow).where(RefMoveRow.number == 2).values(undoes=1),
        sa.delete(RefMoveRow).where(RefMoveRow.number == 2),
        sa.update(RefMoveRow).where(RefMoveRow.number == 3).values(previous_hash="0" * 64),
    ],
    ids=["who", "cites", "by hand", "undoes", "removed", "chain"],
)
def test_altered_log_is_detected(registry, change):
    for old, new in ((None, "A"), ("A", "B"), ("B", "C")):
        move(registry, old, new, cites=f"verdict of {new}")
    with registry.transaction() as session:
        session.execute(change)
    with pytest.raises(RegistryError, match=r"line [23] of the ref log was altered"):
        verify_log(registry)


@pytest.mark.parametrize(
    "change",
    [
        sa.delete(RefMoveRow).where(RefMoveRow.number == 2),
        sa.update(RefRow).values(value="mallory's"),
        sa.delete(RefRow),
    ],
    ids=["last line removed", "ref moved by hand", "ref removed"],
)
def test_altered_ref_is_detected(registry, change):
    move(registry, None, "A")
    move(registry, "A", "B")
    with registry.transaction() as session:
        session.execute(change)
    with pytest.raises(RegistryError, match="the refs do not match the end of the ref log"):
        verify_log(registry)


def test_one_of_many_threads_moves_ref(registry):
    start, conflicts = threading.Barrier(8), []

    def race(value):
        start.wait()
        try:
            move(registry, None, value)
        except ConflictError:
            conflicts.append(value)

    threads = [threading.Thread(target=race, args=(f"A{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (line,) = read_log_tail(registry)
    assert sorted([line.new, *conflicts]) == [f"A{n}" for n in range(8)]


def count_up(url, worker, moves):
    """Move a ref from its value to the next, again and again, as fast as others allow."""
    registry, moved = Database(url), 0
    while moved < moves:
        present = read_ref(registry, "triage", "champion")
        try:
            move(registry, present, f"{worker}-{moved}")
        except ConflictError:
            continue
        moved += 1
    registry.close()


def test_concurrent_moves_make_one_chain(tmp_path):
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    registry = Database(url)
    registry.migrate()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=count_up, args=(url, name, 5)) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    log = read_log_tail(registry)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(log) == 10
    assert [line.old for line in log] == [None, *(line.new for line in log[:-1])]
    registry.close()


def delete_the_log_and_fail(registry):
    with registry.transaction() as session:
        session.execute(sa.delete(RefMoveRow))
        session.execute(sa.text("SELECT * FROM nowhere"))


def test_failed_transaction_changes_nothing(registry):
    move(registry, None, "A")
    with pytest.raises(RegistryError, match="no such table: nowhere"):
        delete_the_log_and_fail(registry)
    assert len(read_log_tail(registry)) == 1
