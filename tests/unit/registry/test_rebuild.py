from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from nightloom.core.errors import InputError, RegistryError
from nightloom.core.manifests import manifest_key
from nightloom.core.ownership import take_over_prefix
from nightloom.core.trash import move_to_trash
from nightloom.registry import rebuild
from nightloom.registry.index import forget_manifests
from nightloom.registry.members import list_members
from nightloom.registry.rebuild import compare_index, rebuild_index
from nightloom.registry.refs import read_ref
from nightloom.registry.tables import EdgeRow, ManifestRow, MemberRow

from .conftest import MONDAY, TUESDAY, make_adapter, make_import

TABLES = {
    ManifestRow: (ManifestRow.manifest, ManifestRow.kind),
    EdgeRow: (EdgeRow.parent_kind, EdgeRow.parent, EdgeRow.child_kind, EdgeRow.child, EdgeRow.part, EdgeRow.path),
    MemberRow: (MemberRow.recipe, MemberRow.night, MemberRow.kind, MemberRow.manifest),
}


def dump_index(registry):
    """Everything in the index but times."""
    with registry.reading() as session:
        return [sorted(map(tuple, session.execute(sa.select(*columns)))) for columns in TABLES.values()]


def drop_index(registry):
    with registry.transaction() as session:
        for table in TABLES:
            session.execute(sa.delete(table))


@pytest.fixture
def filled(world):
    """Nights of two recipes that share their rows, and an import."""
    first = world.run_night("triage", MONDAY, "rows")
    world.run_night("squad", MONDAY, "rows")
    world.run_night("triage", TUESDAY, "more rows", first)
    imported = world.store.publish(make_adapter(world.put("weights from elsewhere"), "b" * 64))
    world.store.publish(make_import("squad", imported.id))
    return world


@pytest.fixture
def old(s3, registry):
    """All that is there was made in 2020."""
    s3.written_at = dict.fromkeys(s3.objects, datetime(2020, 1, 1, tzinfo=UTC))
    with registry.transaction() as session:
        session.execute(sa.update(ManifestRow).values(made_at=datetime(2020, 1, 1)))  # noqa: DTZ001  # as it is kept


def test_complete_index_passes_comparison(filled, old, store, registry):
    move_to_trash(store, next(one.key for one in store.bucket.list_objects("manifests/records/")))
    assert compare_index(store, registry) == len(dump_index(registry)[0])


def test_missing_index_entries_are_counted(filled, old, store, registry):
    lacking = [filled.made["triage", night]["preparation"] for night in (MONDAY, TUESDAY)]
    forget_manifests(registry, lacking)
    said = rf"preparation {min(lacking)} \(manifests only in the store: 2, only in the index: 0\); `nightloom registry"
    with pytest.raises(RegistryError, match=said):
        compare_index(store, registry)


def test_missing_stored_manifest_is_named(filled, old, store, registry):
    lost = filled.made["triage", MONDAY]["preparation"]
    store.bucket.delete(manifest_key("preparation", lost))
    with pytest.raises(RegistryError, match=rf"preparation {lost} \(.* only in the store: 0, only in the index: 1\)"):
        compare_index(store, registry)


def test_recent_manifest_may_be_missing(filled, store, registry):
    there = len(dump_index(registry)[0])
    forget_manifests(registry, [filled.made["triage", MONDAY]["preparation"]])
    store.bucket.delete(manifest_key("preparation", filled.made["triage", TUESDAY]["preparation"]))
    assert compare_index(store, registry) == there - 1


def test_dropped_index_is_rebuilt(filled, store, registry):
    before = dump_index(registry)
    assert all(before)
    drop_index(registry)
    made = rebuild_index(store, registry)
    assert (made.manifests, made.added, made.forgotten, made.damaged) == (len(before[0]), len(before[0]), 0, ())
    assert dump_index(registry) == before


def test_members_keep_their_order(filled, store, registry):
    before = [one.manifest for one in list_members(registry, "snapshot", "triage", limit=9)]
    drop_index(registry)
    rebuild_index(store, registry)
    assert [one.manifest for one in list_members(registry, "snapshot", "triage", limit=9)] == before


def test_complete_index_is_unchanged(filled, store, registry):
    before = dump_index(registry)
    made = rebuild_index(store, registry)
    assert (made.added, made.forgotten) == (0, 0)
    assert dump_index(registry) == before
    assert read_ref(registry, "triage", "champion") == filled.made["triage", TUESDAY]["adapter"]


def test_killed_rebuild_is_finished(filled, store, registry, monkeypatch):
    before = dump_index(registry)
    drop_index(registry)
    monkeypatch.setattr(rebuild, "_BATCH", 7)

    def die(done, _all):
        if done > 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild_index(store, registry, die)
    assert 0 < len(dump_index(registry)[0]) < len(before[0])
    rebuild_index(store, registry)
    assert dump_index(registry) == before


def test_trashed_manifest_stays_indexed(filled, store, registry):
    before = dump_index(registry)
    move_to_trash(store, next(one.key for one in store.bucket.list_objects("manifests/records/")))
    rebuild_index(store, registry)
    assert dump_index(registry) == before


def test_lost_manifest_is_forgotten(filled, store, registry, s3):
    lost = filled.made["triage", MONDAY]["preparation"]
    del s3.objects[f"prefix/manifests/preparation/{lost}.json"]
    assert rebuild_index(store, registry).forgotten == 1
    manifests, _, members = dump_index(registry)
    assert lost not in str(manifests) + str(members)


def test_damaged_manifest_is_named(filled, store, registry, s3):
    damaged = filled.made["triage", MONDAY]["snapshot"]
    s3.objects[f"prefix/manifests/snapshot/{damaged}.json"] = b"{}"
    drop_index(registry)
    made = rebuild_index(store, registry)
    assert made.damaged == (f"snapshot {damaged}",)
    assert made.added == made.manifests - 1


def test_store_of_another_registry_is_refused(filled, store, registry):
    take_over_prefix(store, "another")
    with pytest.raises(InputError, match=r"prefix 'prefix/' of bucket .* belongs to another registry"):
        rebuild_index(store, registry)


def test_unreachable_registry_is_reported(filled, store, registry):
    with registry.transaction() as session:
        session.execute(sa.text("DROP TABLE manifests"))
    with pytest.raises(RegistryError, match="no such table: manifests"):
        rebuild_index(store, registry)
