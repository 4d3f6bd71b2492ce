"""The store with its index: whatever a process publishes or finds in it is noted in the registry."""

from functools import cache

from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore, connect_store
from nightloom.registry.database import Database, open_database
from nightloom.registry.index import Indexer


@cache
def open_store() -> ObjectStore:
    """Open the store that this process's settings name, indexed by their registry; one client a process."""
    return index_store(connect_store(get_settings()), open_database())


def index_store(store: ObjectStore, database: Database) -> ObjectStore:
    """Have a registry note every manifest that is published or found through this store; return the store."""
    store.on_manifest = Indexer(database, store.get_blob)
    return store
