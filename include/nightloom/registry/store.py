"""The indexed store: every manifest that a process publishes or finds is indexed in the registry."""

from functools import cache

from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore, connect_store
from nightloom.registry.database import Database, open_database
from nightloom.registry.index import Indexer


@cache
def open_store() -> ObjectStore:
    """Return the store of the settings, indexed by their registry; one client per process."""
    return index_store(connect_store(get_settings()), open_database())


def index_store(store: ObjectStore, database: Database) -> ObjectStore:
    """Index every manifest that is published or found through this store, and return the store."""
    store.on_manifest = Indexer(database, store.get_blob)
    return store
