"""Trash: what nothing names waits here, and is still found by who loads it by its digest, before it is deleted.

An object is moved, not marked: a writer that looks for a blob does not see it and sends it again, and a reader that was
quicker than the collector still finds it. So no writer has to know of the collector.
"""

import re

from nightloom.core.manifests import manifest_key
from nightloom.core.names import BLOB, Named
from nightloom.core.store import TRASH, ObjectStore, blob_key

_MANIFEST = re.compile(r"manifests/([a-z_]+)/([0-9a-f]{64})\.json")
_BLOB = re.compile(r"objects/sha256/([0-9a-f]{2})/([0-9a-f]{62})")


def name_of(key: str) -> Named | None:
    """Return what lies under a key of the store, in the trash or not; None for what is no blob and no manifest."""
    place = key.removeprefix(TRASH)
    if found := _BLOB.fullmatch(place):
        return Named(BLOB, found[1] + found[2])
    found = _MANIFEST.fullmatch(place)
    return Named(found[1], found[2]) if found else None


def key_of(name: Named) -> str:
    """Return the key under which something lies when it is not in the trash."""
    return blob_key(name.digest) if name.kind == BLOB else manifest_key(name.kind, name.digest)


def move_to_trash(store: ObjectStore, key: str) -> None:
    """Move an object; killed between copy and deletion, it lies in both places, which harms nobody."""
    if store.bucket.copy(key, TRASH + key):
        store.bucket.delete(key)


def restore(store: ObjectStore, key: str) -> None:
    """Bring an object back from the trash."""
    if store.bucket.copy(TRASH + key, key):
        store.bucket.delete(TRASH + key)
