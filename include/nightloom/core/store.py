"""The object store: blobs and manifests by digest, in a bucket of S3.

A blob is written before the manifest that names it; a manifest is written last, by one conditional put. A
reader follows manifests and never a listing, so what was half-written is invisible. What garbage collection has put
into the trash is read by id until it is deleted, but never counts as there; a blob from which rows were erased is
read as the one that stands in for it.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nightloom.core.digests import LISTED_BY, digest_bytes, digest_file, short
from nightloom.core.errors import ManifestError
from nightloom.core.manifests import CachedResult, Manifest, Plain, manifest_key
from nightloom.core.replacements import Replacement
from nightloom.core.s3 import Bucket, connect_bucket
from nightloom.core.settings import Settings

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Manifest)
C = TypeVar("C", bound=CachedResult)

TRASH = "trash/"
"""Where an object's key begins that nothing named when garbage was collected."""

_ONE_PUT_BYTES = 32 << 20


class ObjectStore:
    """Blobs and manifests in a bucket.

    Args:
        bucket: What all of it lies in, as objects by their keys.
        on_manifest: Is called with every manifest that is published or found, as it lies in the store.
    """

    def __init__(self, bucket: Bucket, on_manifest: Callable[[Manifest], None] | None = None) -> None:
        self.bucket = bucket
        self.on_manifest = on_manifest
        self._loaded: dict[str, Manifest] = {}

    def put_blob(self, data: bytes) -> str:
        """Keep the bytes and return their digest; bytes already there are not sent again."""
        digest = digest_bytes(data)
        if not self.has_blob(digest):
            self.bucket.put_if_absent(blob_key(digest), data)
        return digest

    def put_file(self, path: Path) -> str:
        """Keep a file's bytes and return their digest; bytes already there are not sent again."""
        if path.stat().st_size <= _ONE_PUT_BYTES:
            return self.put_blob(path.read_bytes())
        digest = digest_file(path)
        if not self.has_blob(digest):
            self.bucket.upload(path, blob_key(digest))
        return digest

    def has_blob(self, digest: str) -> bool:
        """Whether the bytes of that digest are kept."""
        return self.bucket.has(blob_key(digest))

    def get_blob(self, digest: str) -> bytes:
        """Return the bytes of that digest.

        Raises:
            ManifestError: There are none, or they are damaged.
        """
        data = self._get(blob_key(digest))
        if data is None:
            replacement = self.find_replacement(digest)
            if replacement is not None:
                return self.get_blob(replacement.result.blob)
            raise ManifestError(_missing(digest))
        if digest_bytes(data) != digest:
            msg = f"blob {digest} is damaged in the store; restore it from a backup"
            raise ManifestError(msg)
        return data

    def fetch_file(self, digest: str, path: Path) -> Path:
        """Write the bytes of that digest to a file, whole or not at all; a sound file there is kept.

        Raises:
            ManifestError: There are none, or they are damaged.
        """
        if path.exists() and digest_file(path) == digest:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        half = Path(name)
        try:
            if not self._download(digest, half):
                replacement = self.find_replacement(digest)
                if replacement is not None:
                    return self.fetch_file(replacement.result.blob, path)
                raise ManifestError(_missing(digest))
            if digest_file(half) != digest:
                msg = f"blob {digest} is damaged in the store; restore it from a backup"
                raise ManifestError(msg)
            half.chmod(0o666 & ~_umask())
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
        return path

    def publish(self, manifest: M) -> M:
        """Commit a manifest by one conditional put and return the one that stands: this one, or an earlier."""
        key = manifest_key(manifest.kind, manifest.id)
        if self.bucket.put_if_absent(key, manifest.to_bytes()):
            logger.info("%s %s published", manifest.kind, short(manifest.id))
        else:
            manifest = self.load(type(manifest), manifest.id)
        # Also when it stood already: whoever wrote it may have been killed before it was heard of.
        if self.on_manifest:
            self.on_manifest(manifest)
        return manifest

    def find(self, kind: type[M], identity: Plain) -> M | None:
        """Return the manifest with this identity, or nothing."""
        manifest_id = kind.id_of(identity)
        data = self.bucket.get(manifest_key(kind.kind, manifest_id))
        if data is None:
            return None
        manifest = kind.from_bytes(data, manifest_id)
        if self.on_manifest:
            self.on_manifest(manifest)
        return manifest

    def load(self, kind: type[M], manifest_id: str) -> M:
        """Return the manifest of that id.

        Raises:
            ManifestError: There is none, or it is damaged.
        """
        if (loaded := self._loaded.get(manifest_id)) and isinstance(loaded, kind):
            return loaded
        data = self._get(manifest_key(kind.kind, manifest_id))
        if data is None:
            group = LISTED_BY.get(kind.kind)
            remedy = f"`nightloom {group} list` shows what is" if group else "restore it from a backup"
            msg = f"{kind.kind} {manifest_id} is not in the store; {remedy}"
            raise ManifestError(msg)
        manifest = kind.from_bytes(data, manifest_id)
        if kind.stays_in_memory:
            self._loaded[manifest_id] = manifest
        return manifest

    def load_if_there(self, kind: type[M], manifest_id: str | None) -> M | None:
        """Return the manifest of that id, or None if it is missing or damaged, or no id is given.

        This is right where the manifest only tells more: an earlier night to compare with, the lineage of a model, a
        reason in a plan. Garbage collection may have taken it. What a result rests on is to be loaded by `load`.
        """
        try:
            return self.load(kind, manifest_id) if manifest_id else None
        except ManifestError:
            return None

    def find_or_make(self, kind: type[C], key: Plain, make: Callable[[], C]) -> C:
        """Return the cached result of a key: the one that is kept, else one that is made and published now.

        Args:
            kind: Kind of the result.
            key: All that determines it.
            make: Makes it; it has this key.
        """
        if kept := self.find(kind, key):
            logger.info("%s %s is in the store: reused", kind.kind, short(kept.id))
            return kept
        return self.publish(make())

    def find_replacement(self, digest: str) -> Replacement | None:
        """Return what stands in for a blob from which rows were erased; nothing where none were."""
        return self.find(Replacement, Replacement.Key(blob=digest))

    def _get(self, key: str) -> bytes | None:
        data = self.bucket.get(key)
        return self.bucket.get(TRASH + key) if data is None else data

    def _download(self, digest: str, path: Path) -> bool:
        """Write a blob's bytes to a file; return whether there are any."""
        return any(self.bucket.download(key, path) for key in (blob_key(digest), TRASH + blob_key(digest)))


def connect_store(settings: Settings) -> ObjectStore:
    """Return a new connection to the store that these settings name."""
    return ObjectStore(connect_bucket(settings))


def _umask() -> int:
    """Return what is taken from the rights of a new file; it can only be asked for by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def blob_key(digest: str) -> str:
    """Return the key in the store under which a blob lies."""
    return f"objects/sha256/{digest[:2]}/{digest[2:]}"


def _missing(digest: str) -> str:
    return f"blob {digest} is not in the store; restore it from a backup"
