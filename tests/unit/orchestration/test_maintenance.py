"""Maintenance: log lines for an intact registry, and errors for a damaged one."""

import logging
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from nightloom.core.errors import RegistryError
from nightloom.core.manifests import manifest_key
from nightloom.core.store import ObjectStore
from nightloom.orchestration.maintenance import compare_index, verify_log
from nightloom.registry.database import Database
from nightloom.registry.refs import move_ref
from nightloom.registry.store import index_store
from nightloom.registry.tables import ManifestRow, RefMoveRow

from tests.factories.manifests import make_preparation

NIGHT = date(2026, 11, 23)


@pytest.fixture(autouse=True)
def installation(
    store: ObjectStore, registry: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A registry with one move and one manifest, and its store."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("nightloom.orchestration.maintenance.open_database", lambda: registry)
    monkeypatch.setattr("nightloom.orchestration.maintenance.open_store", lambda: store)
    made = index_store(store, registry).publish(make_preparation())
    move_ref(registry, recipe="triage", name="latest", expected=None, value=made.id, night=NIGHT, who="eva", why="new")


def test_verified_moves_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    verify_log.function()
    assert caplog.messages[-1] == "ref log verified: 1 move"


def test_changed_log_line_is_named(registry: Database) -> None:
    with registry.transaction() as session:
        session.execute(sa.update(RefMoveRow).values(who="mallory"))
    with pytest.raises(RegistryError, match="line 1 of the ref log was altered; restore the registry from a backup"):
        verify_log.function()


def test_verified_manifests_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    compare_index.function()
    assert caplog.messages[-1] == "index and store agree: 1 manifest"


def test_lost_manifest_is_named(store: ObjectStore, registry: Database) -> None:
    with registry.transaction() as session:
        row = session.scalars(sa.select(ManifestRow)).one()
        row.made_at -= timedelta(days=1)
        lost = row.manifest
    store.bucket.delete(manifest_key("preparation", lost))
    with pytest.raises(RegistryError, match=rf"preparation {lost} .*; `nightloom registry rebuild` rebuilds the index"):
        compare_index.function()
