"""Trash: unreferenced objects wait here before they are deleted, and can still be read by digest.

Objects are moved, not marked: a writer that looks for a blob does not see it and sends it again, and a reader that
still needs it finds it. So writers need not know about garbage collection.
"""

import re

from nightloom.core.manifests import manifest_key
from nightloom.core.names import BLOB, Named
from nightloom.core.store import TRASH, ObjectStore, blob_key

_MANIFEST = re.compile(r"manifests/([a-z_]+)/([0-9a-f]{64})\.json")
_BLOB = re.compile(r"objects/sha256/([0-9a-f]{2})/([0-9a-f]{62})")


def name_of(key: str) -> Named | None:
    """Return the blob or manifest of a store key, in the trash or not, or None for other keys."""
    path = key.removeprefix(TRASH)
    if found := _BLOB.fullmatch(path):
        return Named(BLOB, found[1] + found[2])
    found = _MANIFEST.fullmatch(path)
    return Named(found[1], found[2]) if found else None


def key_of(name: Named) -> str:
    """Return the store key of a blob or manifest outside the trash."""
    return blob_key(name.digest) if name.kind == BLOB else manifest_key(name.kind, name.digest)


def move_to_trash(store: ObjectStore, key: str) -> None:
    """Move an object to the trash. After a kill between copy and deletion it is in both, which is harmless."""
    if store.bucket.copy(key, TRASH + key):
        store.bucket.delete(key)


def restore(store: ObjectStore, key: str) -> None:
    """Move an object back from the trash."""
    if store.bucket.copy(TRASH + key, key):
        store.bucket.delete(TRASH + key)
