"""Trash: what nothing names waits here, and is still found by who loads it by its digest, before it is deleted.

An object is moved, not marked: a writer that looks for a blob does not see it and sends it again, and a reader that was
quicker than the collector still finds it. So no writer has to know of the collector.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nightloom.core.manifests import manifest_key
from nightloom.core.names import BLOB, Named
from nightloom.core.store import TRASH, ObjectStore, blob_key

_MANIFEST = re.compile(r"manifests/([a-z_]+)/([0-9a-f]{64})\.json")
_BLOB = re.compile(r"objects/sha256/([0-9a-f]{2})/([0-9a-f]{62})")
_MISSING = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the store, by its key without the store's prefix."""

    key: str
    size_bytes: int
    modified_at: datetime


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


def list_objects(store: ObjectStore, folder: str) -> Iterator[StoredObject]:
    """Give every object whose key begins with a folder, such as `objects/` or `trash/`."""

    def list_all() -> list[dict[str, Any]]:
        pages = store._client.get_paginator("list_objects_v2").paginate(
            Bucket=store.bucket, Prefix=store.prefix + folder
        )
        return [item for page in pages for item in page.get("Contents", ())]

    for item in store._ask(f"list {folder}", list_all):
        yield StoredObject(item["Key"].removeprefix(store.prefix), item["Size"], item["LastModified"])


def lies(store: ObjectStore, key: str) -> bool:
    """Whether an object lies under a key."""
    return store._has(key)


def move_to_trash(store: ObjectStore, key: str) -> None:
    """Move an object; killed between copy and deletion, it lies in both places, which harms nobody."""
    if _copy(store, key, TRASH + key):
        delete_object(store, key)


def restore(store: ObjectStore, key: str) -> None:
    """Bring an object back from the trash."""
    if _copy(store, TRASH + key, key):
        delete_object(store, TRASH + key)


def delete_object(store: ObjectStore, key: str) -> None:
    """Delete an object for good; nothing happens when it is gone."""
    store._ask(
        f"delete {key}",
        lambda: store._client.delete_object(Bucket=store.bucket, Key=store.prefix + key),
        missing=_MISSING,
    )


def _copy(store: ObjectStore, source: str, target: str) -> bool:
    """Copy an object within the store; tell whether there was one."""

    def copy() -> bool:
        # The managed copy: a plain one ends at 5 GB.
        store._client.copy({"Bucket": store.bucket, "Key": store.prefix + source}, store.bucket, store.prefix + target)
        return True

    return bool(store._ask(f"copy {source}", copy, missing=_MISSING))
