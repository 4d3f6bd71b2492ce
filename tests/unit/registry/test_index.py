import sqlalchemy as sa
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.registry.index import find_known, forget_manifests, list_known
from nightloom.registry.store import index_store
from nightloom.registry.tables import EdgeRow

from .conftest import MONDAY, make_snapshot, make_trial


def count_edges(registry):
    with registry.reading() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(EdgeRow))


def test_published_manifest_is_indexed(store, registry):
    snapshot = store.publish(make_snapshot("triage", MONDAY, "rows", None))
    assert [(one, kind) for one, kind, _ in list_known(registry)] == [(snapshot.id, "snapshot")]


def test_existing_manifest_is_indexed(s3, registry):
    """The publisher was killed before the manifest was indexed."""
    snapshot = ObjectStore(Bucket(s3, "bucket", "prefix/")).publish(make_snapshot("triage", MONDAY, "rows", None))
    index_store(ObjectStore(Bucket(s3, "bucket", "prefix/")), registry).publish(snapshot)
    assert find_known(registry, [snapshot.id]) == {snapshot.id}


def test_found_manifest_is_indexed(s3, registry):
    trial = ObjectStore(Bucket(s3, "bucket", "prefix/")).publish(make_trial("5" * 64, "a" * 64))
    index_store(ObjectStore(Bucket(s3, "bucket", "prefix/")), registry).find(type(trial), trial.key)
    assert count_edges(registry) == 4


def test_first_provenance_gives_edges(s3, registry):
    ObjectStore(Bucket(s3, "bucket", "prefix/")).publish(make_snapshot("triage", MONDAY, "rows", "a" * 64))
    index_store(ObjectStore(Bucket(s3, "bucket", "prefix/")), registry).publish(
        make_snapshot("sales", MONDAY, "rows", "b" * 64)
    )
    with registry.reading() as session:
        assert list(session.scalars(sa.select(EdgeRow.parent))) == ["a" * 64]


def test_index_is_queried_once_per_manifest(store, registry):
    snapshot = store.publish(make_snapshot("triage", MONDAY, "rows", None))
    forget_manifests(registry, [snapshot.id])
    store.publish(snapshot)
    assert find_known(registry, [snapshot.id]) == set()


def test_forgotten_manifest_loses_its_edges(store, registry):
    trial = store.publish(make_trial("5" * 64, "a" * 64))
    store.publish(make_trial("6" * 64, "a" * 64))
    forget_manifests(registry, [trial.id])
    assert len(list(list_known(registry))) == 1
    assert count_edges(registry) == 4


def test_digests_in_report_are_parents(world, registry):
    made = world.run_night("triage", MONDAY, "rows")
    with registry.reading() as session:
        parents = session.scalars(sa.select(EdgeRow.parent).where(EdgeRow.child == made["report"]))
        assert list(parents) == [made["verdict"]]
