from datetime import UTC, datetime
from typing import Any

import pytest
from nightloom.artifacts.models import Import, TaskSpec
from nightloom.core.errors import ManifestError
from nightloom.core.manifests import manifest_key
from nightloom.core.store import ObjectStore
from nightloom.promotion.champions import read_task

TASK = TaskSpec(prompt="a" * 64, output="json", answer={"team": None}, field_order=("team",))


@pytest.fixture
def taken(store: ObjectStore) -> Import:
    """An imported adapter."""
    content = Import.Content(recipe="triage", adapter="b" * 64, task=TASK)
    provenance = Import.Provenance(source="tuned", imported_at=datetime(2026, 11, 23, tzinfo=UTC))
    return store.publish(Import(content=content, provenance=provenance))


def test_damaged_import_is_reported_as_import(store: ObjectStore, s3: Any, taken: Import) -> None:
    s3.objects[store.bucket.prefix + manifest_key("import", taken.id)] = b"{}"
    with pytest.raises(ManifestError, match=f"import manifest {taken.id} is not readable"):
        read_task(store, taken.id)


def test_import_defines_the_task(store: ObjectStore, taken: Import) -> None:
    assert read_task(store, taken.id) == TASK
