"""The object store: blobs and manifests by digest, in a bucket of S3.

Blobs are written before the manifest that names them; the manifest is written last, by one conditional put. Readers
follow manifests and never listings, so incomplete writes are invisible. Objects that garbage collection moved to the
trash are read by id until they are deleted, but do not count as existing. A blob with erased rows is read as its
replacement.
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
"""Key prefix of objects that nothing named when garbage was collected."""

_ONE_PUT_BYTES = 32 << 20


class ObjectStore:
    """Blobs and manifests in a bucket.

    Args:
        bucket: Bucket for all objects.
        on_manifest: Called with every manifest that is published or found, as stored.
    """

    def __init__(self, bucket: Bucket, on_manifest: Callable[[Manifest], None] | None = None) -> None:
        self.bucket = bucket
        self.on_manifest = on_manifest
        self._loaded: dict[str, Manifest] = {}

    def put_blob(self, data: bytes) -> str:
        """Store the bytes and return their digest; existing blobs are not sent again."""
        digest = digest_bytes(data)
        if not self.has_blob(digest):
            self.bucket.put_if_absent(blob_key(digest), data)
        return digest

    def put_file(self, path: Path) -> str:
        """Store a file's bytes and return their digest; existing blobs are not sent again."""
        if path.stat().st_size <= _ONE_PUT_BYTES:
            return self.put_blob(path.read_bytes())
        digest = digest_file(path)
        if not self.has_blob(digest):
            self.bucket.upload(path, blob_key(digest))
        return digest

    def has_blob(self, digest: str) -> bool:
        """Whether there is a blob of that digest."""
        return self.bucket.has(blob_key(digest))

    def get_blob(self, digest: str) -> bytes:
        """Return the blob of that digest.

        Raises:
            ManifestError: The blob is missing or damaged.
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
        """Write the blob of that digest to a file, completely or not at all; a valid file is kept.

        Raises:
            ManifestError: The blob is missing or damaged.
        """
        if path.exists() and digest_file(path) == digest:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        partial = Path(name)
        try:
            if not self._download(digest, partial):
                replacement = self.find_replacement(digest)
                if replacement is not None:
                    return self.fetch_file(replacement.result.blob, path)
                raise ManifestError(_missing(digest))
            if digest_file(partial) != digest:
                msg = f"blob {digest} is damaged in the store; restore it from a backup"
                raise ManifestError(msg)
            partial.chmod(0o666 & ~_umask())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    def publish(self, manifest: M) -> M:
        """Commit a manifest by one conditional put and return the stored one: this, or an earlier one."""
        key = manifest_key(manifest.kind, manifest.id)
        if self.bucket.put_if_absent(key, manifest.to_bytes()):
            logger.info("%s %s published", manifest.kind, short(manifest.id))
        else:
            manifest = self.load(type(manifest), manifest.id)
        # Also for an existing one: its writer may have been killed before it was indexed.
        if self.on_manifest:
            self.on_manifest(manifest)
        return manifest

    def find(self, kind: type[M], part: Plain) -> M | None:
        """Return the manifest with this content or key, or None."""
        manifest_id = kind.id_of(part)
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
            ManifestError: The manifest is missing or damaged.
        """
        if (loaded := self._loaded.get(manifest_id)) and isinstance(loaded, kind):
            return loaded
        data = self._get(manifest_key(kind.kind, manifest_id))
        if data is None:
            group = LISTED_BY.get(kind.kind)
            remedy = f"`nightloom {group} list` shows those that are" if group else "restore it from a backup"
            msg = f"{kind.kind} {manifest_id} is not in the store; {remedy}"
            raise ManifestError(msg)
        manifest = kind.from_bytes(data, manifest_id)
        if kind.stays_in_memory:
            self._loaded[manifest_id] = manifest
        return manifest

    def load_if_there(self, kind: type[M], manifest_id: str | None) -> M | None:
        """Return the manifest of that id, or None if it is missing or damaged, or no id is given.

        For optional information only, which garbage collection may have deleted: an earlier night to compare with, the
        lineage of a model, a reason in a plan. Use `load` for the inputs of a result.
        """
        try:
            return self.load(kind, manifest_id) if manifest_id else None
        except ManifestError:
            return None

    def find_or_make(self, kind: type[C], key: Plain, make: Callable[[], C]) -> C:
        """Return the cached result of a key, or make and publish it.

        Args:
            kind: Kind of the result.
            key: All inputs that determine it.
            make: Returns a new result with this key.
        """
        if kept := self.find(kind, key):
            logger.info("%s %s: reusing the cached result", kind.kind, short(kept.id))
            return kept
        return self.publish(make())

    def find_replacement(self, digest: str) -> Replacement | None:
        """Return the replacement of a blob with erased rows, or None if no row was erased from it."""
        return self.find(Replacement, Replacement.Key(blob=digest))

    def _get(self, key: str) -> bytes | None:
        data = self.bucket.get(key)
        return self.bucket.get(TRASH + key) if data is None else data

    def _download(self, digest: str, path: Path) -> bool:
        """Write a blob to a file; return whether there was one."""
        return any(self.bucket.download(key, path) for key in (blob_key(digest), TRASH + blob_key(digest)))


def connect_store(settings: Settings) -> ObjectStore:
    """Return a new connection to the store that these settings name."""
    return ObjectStore(connect_bucket(settings))


def _umask() -> int:
    """Return the umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def blob_key(digest: str) -> str:
    """Return the store key of a blob."""
    return f"objects/sha256/{digest[:2]}/{digest[2:]}"


def _missing(digest: str) -> str:
    return f"blob {digest} is not in the store; restore it from a backup"
