"""The object store: blobs and manifests by digest, on any S3. The only module that knows boto3.

A blob is written before the manifest that names it; a manifest is written last, by one conditional put. A
reader follows manifests and never a listing, so what was half-written is invisible. What garbage collection has put
into the trash is read by id until it is deleted, but never counts as there; a blob from which rows were erased is
read as the one that stands in for it.
"""

import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from nightloom.core.digests import LISTED_BY, digest_bytes, digest_file, short
from nightloom.core.errors import ManifestError, StoreError
from nightloom.core.manifests import CachedResult, Manifest, Plain, manifest_key
from nightloom.core.replacements import Replacement
from nightloom.core.settings import Settings

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Manifest)
C = TypeVar("C", bound=CachedResult)

TRASH = "trash/"
"""Where an object's key begins that nothing named when garbage was collected."""

_ONE_PUT_BYTES = 32 << 20
_PUT_ATTEMPTS = 5
_MISSING = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the store, by its key without the store's prefix."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectStore:
    """Blobs and manifests in one bucket under one prefix, and the objects that these are, by their keys without it.

    Args:
        client: A boto3 S3 client.
        bucket: The bucket; it exists.
        prefix: What every key begins with; empty or ending in a slash.
        on_manifest: Is called with every manifest that is published or found, as it lies in the store.
    """

    def __init__(
        self, client: Any, bucket: str, prefix: str = "", on_manifest: Callable[[Manifest], None] | None = None
    ) -> None:
        self._client = client
        self.bucket = bucket
        self.prefix = prefix
        self._loaded: dict[str, Manifest] = {}
        self.on_manifest = on_manifest

    def put_blob(self, data: bytes) -> str:
        """Keep the bytes and return their digest; bytes already there are not sent again."""
        digest = digest_bytes(data)
        if not self.has_blob(digest):
            self.put_if_absent(blob_key(digest), data)
        return digest

    def put_file(self, path: Path) -> str:
        """Keep a file's bytes and return their digest; bytes already there are not sent again."""
        if path.stat().st_size <= _ONE_PUT_BYTES:
            return self.put_blob(path.read_bytes())
        digest = digest_file(path)
        if not self.has_blob(digest):
            key = self.prefix + blob_key(digest)
            self._ask(f"upload {path.name}", lambda: self._client.upload_file(str(path), self.bucket, key))
        return digest

    def has_blob(self, digest: str) -> bool:
        """Tell whether the bytes of that digest are kept."""
        return self.has_object(blob_key(digest))

    def get_blob(self, digest: str) -> bytes:
        """Give the bytes of that digest.

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
        handle, half = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            if not self._download(digest, half):
                replacement = self.find_replacement(digest)
                if replacement is not None:
                    return self.fetch_file(replacement.result.blob, path)
                raise ManifestError(_missing(digest))
            if digest_file(Path(half)) != digest:
                msg = f"blob {digest} is damaged in the store; restore it from a backup"
                raise ManifestError(msg)
            Path(half).chmod(0o666 & ~_umask())
            Path(half).replace(path)
        finally:
            Path(half).unlink(missing_ok=True)
        return path

    def publish(self, manifest: M) -> M:
        """Commit a manifest by one conditional put and return the one that stands: this one, or an earlier."""
        key = manifest_key(manifest.kind, manifest.id)
        if self.put_if_absent(key, manifest.to_bytes()):
            logger.info("%s %s published", manifest.kind, short(manifest.id))
        else:
            manifest = self.load(type(manifest), manifest.id)
        # Also when it stood already: whoever wrote it may have been killed before it was heard of.
        if self.on_manifest:
            self.on_manifest(manifest)
        return manifest

    def find(self, kind: type[M], identity: Plain) -> M | None:
        """Give the manifest with this identity, or nothing."""
        manifest_id = kind.id_of(identity)
        data = self.get_object(manifest_key(kind.kind, manifest_id))
        if data is None:
            return None
        manifest = kind.from_bytes(data, manifest_id)
        if self.on_manifest:
            self.on_manifest(manifest)
        return manifest

    def load(self, kind: type[M], manifest_id: str) -> M:
        """Give the manifest of that id.

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
        """Give what stands in for a blob from which rows were erased; nothing where none were."""
        return self.find(Replacement, Replacement.Key(blob=digest))

    def list_keys(self, bucket: str, pattern: str) -> list[str]:
        """Give the keys of any bucket that match a pattern, in their order; a pattern that ends in a slash is a folder.

        For what others have put there: our own manifests are never found by listing.
        """
        return sorted(self.list_versions(bucket, pattern))

    def list_versions(self, bucket: str, pattern: str) -> dict[str, str]:
        """Give the keys that `list_keys` gives, each with what changes when its object does: size and ETag."""
        wanted = f"{pattern}*" if pattern.endswith("/") else pattern
        fixed = re.split(r"[*?\[]", wanted, maxsplit=1)[0]

        found = self._list(bucket, fixed, missing=("NoSuchBucket",))
        versions = {item["Key"]: f"{item['Size']} {item.get('ETag', '')}" for item in found}
        return {key: version for key, version in versions.items() if fnmatchcase(key, wanted)}

    @contextmanager
    def open_key(self, bucket: str, key: str) -> Iterator[IO[bytes]]:
        """Open an object of any bucket, fetched into a temporary file."""
        with tempfile.TemporaryFile() as file:
            self._ask(f"read {bucket}/{key}", lambda: self._client.download_fileobj(bucket, key, file))
            file.seek(0)
            yield file

    def fetch_key(self, bucket: str, key: str, path: Path) -> Path:
        """Write an object of any bucket to a file, whole or not at all."""
        half = path.with_name(f".{path.name}.half")
        self._ask(f"read {bucket}/{key}", lambda: self._client.download_file(bucket, key, str(half)))
        return half.replace(path)

    def ensure_bucket(self) -> None:
        """Create the bucket when it is not there (embedded services only: in production it is given)."""
        found = self._ask(
            f"look for bucket {self.bucket}",
            lambda: self._client.head_bucket(Bucket=self.bucket),
            missing=("404", "NoSuchBucket"),
        )
        if found is None:
            self._ask(f"create bucket {self.bucket}", lambda: self._client.create_bucket(Bucket=self.bucket))

    def prove(self) -> None:
        """Prove that the store reads and writes, and refuses whoever comes second: every commit rests on that.

        Raises:
            StoreError: It does not.
        """
        first, second = (self.put_if_absent("doctor/conditional-put", data) for data in (b"first", b"second"))
        if not first or second:
            msg = (
                f"bucket {self.bucket!r} ignores If-None-Match, so two writers overwrite each other; use another store"
            )
            raise StoreError(msg)

    def has_object(self, key: str) -> bool:
        """Whether an object lies under a key."""
        found = self._ask(f"look for {key}", lambda: self._client.head_object(**self._at(key)), missing=_MISSING)
        return found is not None

    def get_object(self, key: str) -> bytes | None:
        """Return the bytes under a key, or None if there are none."""

        def read() -> bytes:
            body: bytes = self._client.get_object(**self._at(key))["Body"].read()
            return body

        data: bytes | None = self._ask(f"read {key}", read, missing=_MISSING)
        return data

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Put unless the key exists; return whether this call's bytes (or equal ones) now stand under it.

        An answer that was lost, or a conflict with a concurrent writer, is settled by reading again.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        last: Exception | None = None
        for _ in range(_PUT_ATTEMPTS):
            try:
                self._client.put_object(**self._at(key), Body=data, IfNoneMatch="*")
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                found = self.get_object(key) if status == 412 else None
                if found is not None:
                    return found == data
                # 412 and nothing there: what stood in the way was deleted since.
                if status not in (408, 409, 412, 429) and status < 500:
                    raise StoreError(self._explain(f"write {key}", error)) from error
                last = error
            except BotoCoreError as error:
                last = error
            else:
                return True
        raise StoreError(self._explain(f"write {key}", last)) from last

    def replace_object(self, key: str, data: bytes) -> None:
        """Put bytes under a key, whatever is there."""
        self._ask(f"write {key}", lambda: self._client.put_object(**self._at(key), Body=data))

    def copy_object(self, source: str, target: str) -> bool:
        """Copy an object to another key; return whether there was one."""

        def copy() -> bool:
            # The managed copy: a plain one ends at 5 GB.
            self._client.copy(self._at(source), self.bucket, self.prefix + target)
            return True

        return bool(self._ask(f"copy {source}", copy, missing=_MISSING))

    def delete_object(self, key: str) -> None:
        """Delete an object for good; nothing happens if there is none."""
        self._ask(f"delete {key}", lambda: self._client.delete_object(**self._at(key)), missing=_MISSING)

    def list_objects(self, folder: str) -> Iterator[StoredObject]:
        """Return every object whose key begins with a folder, such as `objects/` or `trash/`."""
        for item in self._list(self.bucket, self.prefix + folder):
            yield StoredObject(item["Key"].removeprefix(self.prefix), item["Size"], item["LastModified"])

    def _list(self, bucket: str, start: str, missing: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        def list_all() -> list[dict[str, Any]]:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start)
            return [item for page in pages for item in page.get("Contents", ())]

        return self._ask(f"list {bucket}/{start}", list_all, missing) or []

    def _get(self, key: str) -> bytes | None:
        data = self.get_object(key)
        return self.get_object(TRASH + key) if data is None else data

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + key}

    def _download(self, digest: str, path: str) -> bool:
        """Write a blob's bytes to a file; tell whether there are any."""

        def download(key: str) -> bool:
            self._client.download_file(self.bucket, self.prefix + key, path)
            return True

        places = (blob_key(digest), TRASH + blob_key(digest))
        what = f"download blob {digest}"
        return any(self._ask(what, partial(download, key), missing=_MISSING) for key in places)

    def _ask(self, what: str, call: Callable[[], Any], missing: tuple[str, ...] = ()) -> Any:
        """Run one S3 call; nothing for a code in `missing`, StoreError for any other failure."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in missing:
                return None
            raise StoreError(self._explain(what, error)) from error
        except (BotoCoreError, Boto3Error) as error:
            raise StoreError(self._explain(what, error)) from error

    def _explain(self, what: str, error: Exception | None) -> str:
        where = f"bucket {self.bucket!r} at {self._client.meta.endpoint_url}"
        return f"the object store could not {what} in {where}: {error}; `nightloom doctor` checks the store"


def connect_store(settings: Settings) -> ObjectStore:
    """Give a new connection to the store that these settings name."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=settings.store_endpoint_url,
        region_name=settings.store_region,
        aws_access_key_id=settings.store_access_key.get_secret_value() if settings.store_access_key else None,
        aws_secret_access_key=settings.store_secret_key.get_secret_value() if settings.store_secret_key else None,
        config=Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=10, read_timeout=60),
    )
    return ObjectStore(client, settings.store_bucket, settings.store_prefix)


def _umask() -> int:
    """Give what is taken from the rights of a new file; it can only be asked for by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def blob_key(digest: str) -> str:
    """Give the key in the store under which a blob lies."""
    return f"objects/sha256/{digest[:2]}/{digest[2:]}"


def _missing(digest: str) -> str:
    return f"blob {digest} is not in the store; restore it from a backup"
