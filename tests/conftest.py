"""Fixtures for all tests."""

import gc
import hashlib
import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from nightloom.core.s3 import Bucket
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore, connect_store
from nightloom.embedded.instance import Instance
from nightloom.embedded.lifecycle import down, up
from nightloom.registry.database import Database, open_database
from nightloom.registry.store import open_store

# Two processes test on two cores: their threads would wait for each other and take several times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no failure.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with slow files, so that no process is left with one at the end."""
    marks = ("airflow", "fault", "torch")
    ranks: dict[Path, int] = {}
    for item in items:
        own = min((marks.index(mark.name) for mark in item.iter_markers() if mark.name in marks), default=len(marks))
        ranks[item.path] = min(own, ranks.get(item.path, len(marks)))
    items.sort(key=lambda item: ("integration" not in item.path.parts, ranks[item.path]))


def pytest_collection_finish() -> None:
    """Exclude loaded modules from garbage collection: scanning them is slow."""
    gc.collect()
    gc.freeze()


class MemoryS3:
    """An S3 client on a dictionary: the calls that a bucket makes, with conditional put."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written_at: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self.meta = SimpleNamespace(endpoint_url="memory")

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803  # boto3's names
        return {"ContentLength": len(self._body(Key, "404"))}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(self._body(Key, "NoSuchKey"))}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str = "") -> None:  # noqa: N803
        with self._lock:
            if IfNoneMatch and Key in self.objects:
                raise s3_error("PreconditionFailed", 412)  # noqa: EM101  # an S3 code, not a message
            self.objects[Key] = Body
            self.written_at[Key] = datetime.now(UTC)

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        self.objects.pop(Key, None)

    def copy(self, CopySource: dict[str, str], Bucket: str, Key: str) -> None:  # noqa: N803
        self.put_object(Bucket=Bucket, Key=Key, Body=self._body(CopySource["Key"], "404"))

    def get_paginator(self, operation: str) -> "MemoryS3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        found = {key: body for key, body in self.objects.items() if key.startswith(Prefix)}
        times = {key: self.written_at.get(key, datetime.now(UTC)) for key in found}
        yield {
            "Contents": [
                {"Key": k, "Size": len(v), "ETag": f'"{hashlib.md5(v).hexdigest()}"', "LastModified": times[k]}  # noqa: S324
                for k, v in found.items()
            ]
        }

    def download_file(self, Bucket: str, Key: str, Filename: str) -> None:  # noqa: N803
        Path(Filename).write_bytes(self._body(Key, "404"))

    def download_fileobj(self, Bucket: str, Key: str, Fileobj: IO[bytes]) -> None:  # noqa: N803
        Fileobj.write(self._body(Key, "404"))

    def upload_file(self, Filename: str, Bucket: str, Key: str) -> None:  # noqa: N803
        self.objects[Key] = Path(Filename).read_bytes()

    def _body(self, key: str, code: str) -> bytes:
        if key not in self.objects:
            raise s3_error(code, 404)
        return self.objects[key]


def s3_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "operation")


@pytest.fixture
def s3() -> MemoryS3:
    """An S3 client in memory."""
    return MemoryS3()


@pytest.fixture
def store(s3: MemoryS3) -> ObjectStore:
    """An empty object store."""
    return ObjectStore(Bucket(s3, "bucket", "prefix/"))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty registry, as a template."""
    path = tmp_path_factory.mktemp("migrated") / "registry.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def registry(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    """An empty registry."""
    path = shutil.copy(migrated, tmp_path / "registry.db")
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A real object store in its own var folder."""
    var_dir = tmp_path_factory.mktemp("seaweed")
    yield up(var_dir, airflow=False)
    down(var_dir)


@pytest.fixture(scope="session")
def s3_store(seaweed: Instance) -> ObjectStore:
    """A connection to the real object store."""
    return connect_store(seaweed.settings())


PointSettings = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="session")
def point_settings(seaweed: Instance) -> PointSettings:
    """Return a context manager for settings that use a folder and the real store; more settings by keyword."""
    return point_settings_to(seaweed)


def point_settings_to(services: Instance) -> PointSettings:
    """Return a context manager for settings that use a folder and the store of these services."""

    @contextmanager
    def point(folder: Path, **more: str) -> Iterator[None]:
        given = services.settings()
        settings = {
            "VAR_DIR": str(folder / "var"),
            "STORE_ENDPOINT_URL": str(given.store_endpoint_url),
            "STORE_ACCESS_KEY": given.store_access_key.get_secret_value() if given.store_access_key else "",
            "STORE_SECRET_KEY": given.store_secret_key.get_secret_value() if given.store_secret_key else "",
            "STORE_BUCKET": given.store_bucket,
            "CONN_TICKETS": f"sqlite:///{folder / 'tickets.db'}",
        }
        with pytest.MonkeyPatch.context() as monkeypatch:
            for name, value in {**settings, **more}.items():
                monkeypatch.setenv(f"NIGHTLOOM_{name}", value)
            _forget_settings()
            open_database().migrate()
            yield
        _forget_settings()

    return point


def _forget_settings() -> None:
    for cached in (get_settings, open_store, open_database):
        cached.cache_clear()
