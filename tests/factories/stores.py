"""A store whose manifests the registry indexes."""

from typing import Any

import pytest
from nightloom.core.s3 import Bucket
from nightloom.core.store import ObjectStore
from nightloom.registry.database import Database
from nightloom.registry.store import index_store


@pytest.fixture(name="store")
def indexed_store(s3: Any, registry: Database) -> ObjectStore:
    """An empty store in memory."""
    return index_store(ObjectStore(Bucket(s3, "bucket", "prefix/")), registry)
