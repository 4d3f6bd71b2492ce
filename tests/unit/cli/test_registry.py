"""`nightloom registry`: the index, rebuilt from the store."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from nightloom.registry.database import Database
from nightloom.registry.tables import EdgeRow, ManifestRow

from .conftest import Command, PastNight

pytestmark = pytest.mark.usefixtures("night")


def drop_manifests(registry: Database) -> None:
    with registry.transaction() as session:
        session.execute(sa.delete(ManifestRow))
        session.execute(sa.delete(EdgeRow))


def test_rebuilt_index_finds_models_again(ask: Callable[..., Any], registry: Database, night: PastNight) -> None:
    drop_manifests(registry)
    assert ask("registry", "rebuild") == {"manifests": 9, "added": 9, "forgotten": 0, "damaged": []}
    assert ask("model", "show", night.adapter.id[:12])["verdicts"][0]["id"] == night.verdict.id


def test_collection_asks_for_a_rebuild(command: Command, registry: Database, s3: Any) -> None:
    drop_manifests(registry)
    s3.written_at = dict.fromkeys(s3.objects, datetime(2026, 1, 1, tzinfo=UTC))
    code, _, err = command("snapshot", "gc")
    assert (code, "run `nightloom registry rebuild` to rebuild the index" in err) == (3, True)


def test_damaged_manifest_is_a_fault(command: Command, night: PastNight, s3: Any) -> None:
    s3.objects[f"prefix/manifests/verdict/{night.verdict.id}.json"] = b"{}"
    code, _, err = command("registry", "rebuild")
    assert (code, f"1 manifest is damaged and not in the index, such as verdict {night.verdict.id}" in err) == (2, True)
