"""Inventory: list the objects of the store, and what its manifests name."""

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from nightloom.artifacts.kinds import KINDS
from nightloom.core.manifests import Manifest
from nightloom.core.names import BLOB, Named, list_names
from nightloom.core.s3 import StoredObject
from nightloom.core.store import TRASH, ObjectStore
from nightloom.core.trash import name_of
from nightloom.registry.index import batches
from nightloom.registry.rebuild import refuse_unknown_kinds

_DIGEST = re.compile(rb"\b[0-9a-f]{64}\b")
_THREADS = 8
_AT_ONCE = 500  # manifests in memory


@dataclass(frozen=True, slots=True)
class Inventory:
    """Objects of the store and of its trash, by kind and digest; blobs have the kind `blob`."""

    objects: Mapping[Named, StoredObject]
    trash: Mapping[Named, StoredObject]

    def list_manifests(self) -> list[Named]:
        """Return the manifests, in the trash or outside."""
        return [name for name in {**self.trash, **self.objects} if name.kind != BLOB]


def take_inventory(store: ObjectStore) -> Inventory:
    """List the store.

    Raises:
        InputError: This version does not know the kind of a manifest.
    """
    objects, trash = (
        {name: one for one in _list_ours(store, where) if (name := name_of(one.key))} for where in ("", TRASH)
    )
    inventory = Inventory(objects, trash)
    refuse_unknown_kinds(inventory.list_manifests())
    return inventory


def read_manifests(store: ObjectStore, names: Iterable[Named]) -> Iterator[tuple[Named, Manifest]]:
    """Read manifests, several in parallel.

    Raises:
        ManifestError: A manifest is damaged.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        for batch in batches(names, _AT_ONCE):
            yield from pool.map(lambda name: (name, store.load(KINDS[name.kind], name.digest)), batch)


def list_named(store: ObjectStore, manifest: Manifest) -> list[Named]:
    """Return all blobs and manifests that a manifest or the document of a report names."""
    names = list_names(manifest)
    in_report = (digest for name in names if name.content == "facts" for digest in _find_digests(store, name.digest))
    return [*(Named(name.kind, name.digest) for name in names), *in_report]


def _list_ours(store: ObjectStore, where: str) -> Iterator[StoredObject]:
    for folder in ("manifests/", "objects/"):
        yield from store.bucket.list_objects(where + folder)


def _find_digests(store: ObjectStore, blob: str) -> Iterable[Named]:
    """Return every digest in the document of a report, as blob and as manifest of any kind: its text has no types."""
    digests = {digest.decode() for digest in _DIGEST.findall(store.get_blob(blob))}
    return [Named(kind, digest) for digest in digests for kind in (BLOB, *KINDS)]
