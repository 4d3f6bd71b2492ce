"""The registry on PostgreSQL: concurrent transactions of many processes are serialised."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from nightloom.core.errors import RegistryError
from nightloom.core.store import ObjectStore
from nightloom.registry import database, questions
from nightloom.registry.database import Database
from nightloom.registry.graph import find_reachable
from nightloom.registry.leases import take_lease
from nightloom.registry.members import list_members
from nightloom.registry.rebuild import rebuild_index
from nightloom.registry.roots import list_roots
from nightloom.registry.store import index_store
from nightloom.registry.trials import begin_trial, read_trial, record_progress

from tests.postgres import Server
from tests.unit.registry.conftest import MONDAY, TUESDAY, World


@pytest.fixture(scope="module")
def registry(postgres: Server) -> Iterator[Database]:
    """A registry in a database of its own."""
    admin = sa.create_engine(postgres.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE registry"))
    made = Database(postgres.url().replace("/postgres", "/registry"))
    made.migrate()
    yield made
    made.close()


def test_concurrent_starts_all_succeed(registry: Database) -> None:
    holders = [f"trial {number}" for number in range(8)]
    start, taken, failures = threading.Barrier(len(holders)), [], []

    def begin(holder: str) -> None:
        start.wait()
        try:
            for step in range(5):
                taken.append(take_lease(registry, f"devices {step}", holders, holder, timedelta(hours=1)))
            begin_trial(registry, holder, device="cpu")
            record_progress(registry, holder, step=5, steps=9, seconds=1.0)
        except RegistryError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=begin, args=(holder,)) for holder in holders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(taken) == sorted(holders * 5)
    assert all(read_trial(registry, holder) for holder in holders)


def test_index_answers_as_on_sqlite(registry: Database, store: ObjectStore) -> None:
    world = World(index_store(store, registry), registry)
    first = world.run_night("triage", MONDAY, "rows")
    second = world.run_night("triage", TUESDAY, "more rows", first)
    lineage = questions.read_champion_lineage(registry, "triage")
    assert lineage
    assert {one.kind for one in lineage.ancestors} == {"snapshot", "blueprint", "trial"}
    assert {one.kind for one in lineage.descendants} == {"verdict", "prediction_plan", "predictions", "report"}
    assert questions.list_learners(registry, [first["snapshot"]]) == [first["adapter"]]
    (newest,) = list_members(registry, "verdict", "triage", limit=1)
    (older,) = list_members(registry, "verdict", "triage", limit=9, after=newest)
    assert (newest.manifest, older.manifest) == (second["verdict"], first["verdict"])
    roots = list_roots(registry, limit=100)
    assert {second["adapter"]: "ref", first["adapter"]: "earlier ref"}.items() <= {
        root.manifest: root.reason for root in roots
    }.items()
    assert {first["curated"], second["snapshot"]} <= find_reachable(
        registry, {one.manifest: "" for one in roots}
    ).keys()
    assert rebuild_index(store, registry).added == 0


def test_lock_timeout_is_an_error(registry: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_S", 0.05)
    other = Database(str(registry._engine.url))
    with registry.transaction() as session:
        session.execute(sa.text("SELECT 1"))
        with pytest.raises(RegistryError, match="lock timeout"):
            take_lease(other, "devices", ["a"], "late", timedelta(hours=1))
    other.close()
