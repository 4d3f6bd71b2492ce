"""Lenient store: returns None for what cannot be read, and lists it."""

from collections.abc import Callable
from typing import TypeVar

import polars as pl

from nightloom.artifacts.frames import FRAMES, get_frame
from nightloom.core.digests import short
from nightloom.core.errors import ManifestError, StoreError
from nightloom.core.manifests import Manifest, Plain
from nightloom.core.store import ObjectStore

M = TypeVar("M", bound=Manifest)
T = TypeVar("T")


class LenientStore:
    """Read manifests and frames, or None if they are missing or damaged.

    Attributes:
        unreadable: One message for each manifest or frame that could not be read.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._is_down = False
        self.unreadable: list[str] = []

    def load(self, kind: type[M], manifest_id: str | None) -> M | None:
        """Return the manifest of that id, or None after listing it as unreadable."""
        if manifest_id is None:
            return None
        return self.attempt(f"{kind.kind} {short(manifest_id)}", lambda: self._store.load(kind, manifest_id))

    def find(self, kind: type[M], key: Plain) -> M | None:
        """Return the manifest with that key, or None. A key without a manifest is not listed as unreadable."""
        return self.attempt(kind.kind, lambda: self._store.find(kind, key))

    def read(self, content: str, digest: str | None) -> pl.DataFrame | None:
        """Return the frame of that digest, or None after listing it as unreadable.

        Args:
            content: Kind of frame, a key of `FRAMES`.
            digest: Digest of the blob, or None for no frame.
        """
        if digest is None:
            return None
        return self.attempt(f"{content} {short(digest)}", lambda: get_frame(self._store, digest, FRAMES[content]))

    def attempt(self, what: str, read: Callable[[], T | None]) -> T | None:
        """Return what a function reads from the store, or None after listing it as unreadable."""
        if self._is_down:
            return None
        try:
            return read()
        except ManifestError as error:
            self.unreadable.append(f"{what}: {error}")
        except StoreError as error:
            # Do not ask again: each further request would wait as long for the same error.
            self._is_down = True
            self.unreadable.append(str(error))
        return None
