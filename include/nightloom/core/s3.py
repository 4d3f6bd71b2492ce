"""S3: one bucket under one prefix, on any S3. The only module that uses boto3.

Calls are retried after transient errors. A call that still fails raises a StoreError that says what failed.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

from nightloom.core.errors import StoreError
from nightloom.core.settings import Settings

_PUT_ATTEMPTS = 5
_MISSING = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of a bucket, by key without the prefix."""

    key: str
    size_bytes: int
    modified_at: datetime


class Bucket:
    """The objects of a bucket under a prefix, by key without the prefix.

    Args:
        client: A boto3 S3 client.
        name: Name of an existing bucket.
        prefix: Prefix of all keys; empty, or ending in a slash.
    """

    def __init__(self, client: Any, name: str, prefix: str = "") -> None:
        self.client = client
        self.name = name
        self.prefix = prefix

    def other(self, name: str) -> "Bucket":
        """Return another bucket of the same service, under no prefix."""
        return Bucket(self.client, name)

    def has(self, key: str) -> bool:
        """Whether there is an object under a key."""
        found = self._ask(f"look for {key}", lambda: self.client.head_object(**self._at(key)), missing=_MISSING)
        return found is not None

    def get(self, key: str) -> bytes | None:
        """Return the bytes under a key, or None if there are none."""

        def read() -> bytes:
            body: bytes = self.client.get_object(**self._at(key))["Body"].read()
            return body

        data: bytes | None = self._ask(f"read {key}", read, missing=_MISSING)
        return data

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Put the bytes unless the key exists; return whether the key now has these bytes, or equal ones.

        After a lost response or a conflict with a concurrent writer the key is read again.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        last: Exception | None = None
        for _ in range(_PUT_ATTEMPTS):
            try:
                self.client.put_object(**self._at(key), Body=data, IfNoneMatch="*")
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                found = self.get(key) if status == 412 else None
                if found is not None:
                    return found == data
                # 412 and no object: the conflicting one was deleted since.
                if status not in (408, 409, 412, 429) and status < 500:
                    raise StoreError(self._explain(f"write {key}", error)) from error
                last = error
            except BotoCoreError as error:
                last = error
            else:
                return True
        raise StoreError(self._explain(f"write {key}", last)) from last

    def replace(self, key: str, data: bytes) -> None:
        """Put bytes under a key, overwriting any object."""
        self._ask(f"write {key}", lambda: self.client.put_object(**self._at(key), Body=data))

    def copy(self, source: str, target: str) -> bool:
        """Copy an object to another key; return whether there was one."""

        def copy() -> bool:
            # The managed copy: copy_object is limited to 5 GB.
            self.client.copy(self._at(source), self.name, self.prefix + target)
            return True

        return bool(self._ask(f"copy {source}", copy, missing=_MISSING))

    def delete(self, key: str) -> None:
        """Delete an object permanently, if there is one."""
        self._ask(f"delete {key}", lambda: self.client.delete_object(**self._at(key)), missing=_MISSING)

    def upload(self, path: Path, key: str) -> None:
        """Put a file of any size under a key, overwriting any object."""
        self._ask(f"upload {path.name}", lambda: self.client.upload_file(str(path), self.name, self.prefix + key))

    def download(self, key: str, path: Path) -> bool:
        """Write an object of any size to a file; return whether there was one."""

        def download() -> bool:
            self.client.download_file(self.name, self.prefix + key, str(path))
            return True

        return bool(self._ask(f"read {key}", download, missing=_MISSING))

    @contextmanager
    def open(self, key: str) -> Iterator[IO[bytes]]:
        """Open an object, downloaded to a temporary file."""
        with tempfile.TemporaryFile() as file:
            self._ask(f"read {key}", lambda: self.client.download_fileobj(self.name, self.prefix + key, file))
            file.seek(0)
            yield file

    def list_objects(self, folder: str) -> Iterator[StoredObject]:
        """Return all objects whose key begins with a folder, such as `objects/` or `trash/`."""
        for item in self._list(folder):
            yield StoredObject(item["Key"].removeprefix(self.prefix), item["Size"], item["LastModified"])

    def list_versions(self, pattern: str) -> dict[str, str]:
        """Return the keys that match a pattern, each with its version: size and ETag.

        A pattern that ends in a slash is a folder. A missing bucket has no keys. This is for objects of others: our
        own manifests are never found by listing.
        """
        wanted = f"{pattern}*" if pattern.endswith("/") else pattern
        prefix = re.split(r"[*?\[]", wanted, maxsplit=1)[0]

        found = self._list(prefix, missing=("NoSuchBucket",))
        versions = {i["Key"].removeprefix(self.prefix): f"{i['Size']} {i.get('ETag', '')}" for i in found}
        return {key: version for key, version in sorted(versions.items()) if fnmatchcase(key, wanted)}

    def ensure_exists(self) -> None:
        """Create the bucket if it is missing. For embedded services only; in production the bucket exists."""
        missing = ("404", "NoSuchBucket")
        if self._ask("look for it", lambda: self.client.head_bucket(Bucket=self.name), missing) is None:
            self._ask("create it", lambda: self.client.create_bucket(Bucket=self.name))

    def prove(self) -> None:
        """Check that the bucket reads, writes and refuses a second conditional put, which every commit relies on.

        Raises:
            StoreError: It does not.
        """
        first, second = (self.put_if_absent("doctor/conditional-put", data) for data in (b"first", b"second"))
        if not first or second:
            msg = f"bucket {self.name!r} ignores If-None-Match, so writers overwrite each other; use another store"
            raise StoreError(msg)

    def _list(self, start: str, missing: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        def list_all() -> list[dict[str, Any]]:
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix + start)
            return [item for page in pages for item in page.get("Contents", ())]

        return self._ask(f"list {start}", list_all, missing) or []

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self.name, "Key": self.prefix + key}

    def _ask(self, what: str, call: Callable[[], Any], missing: tuple[str, ...] = ()) -> Any:
        """Make one S3 call and return its result, or None for an error code in `missing`; else raise StoreError."""
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
        where = f"bucket {self.name!r} at {self.client.meta.endpoint_url}"
        return f"the object store could not {what} in {where}: {error}; `nightloom doctor` checks the store"


def connect_bucket(settings: Settings) -> Bucket:
    """Return a new connection to the bucket and prefix that these settings name."""
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
    return Bucket(client, settings.store_bucket, settings.store_prefix)
