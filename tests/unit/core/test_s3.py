from pathlib import Path
from typing import Any

import pytest
from nightloom.core.errors import StoreError
from nightloom.core.s3 import Bucket


@pytest.fixture
def bucket(s3: Any) -> Bucket:
    return Bucket(s3, "bucket", "prefix/")


def test_objects_are_copied_and_deleted(bucket: Bucket) -> None:
    assert bucket.put_if_absent("trash/a", b"first")
    assert not bucket.put_if_absent("trash/a", b"second")
    bucket.replace("trash/a", b"third")
    assert bucket.copy("trash/a", "a")
    assert not bucket.copy("trash/b", "b")
    bucket.delete("trash/a")
    bucket.delete("trash/a")
    assert (bucket.has("trash/a"), bucket.get("trash/a"), bucket.get("a")) == (False, None, b"third")
    assert [(one.key, one.size_bytes) for one in bucket.list_objects("")] == [("a", 5)]


def test_files_are_uploaded_and_downloaded(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"weights")
    bucket.upload(tmp_path / "sent", "model")
    assert bucket.download("model", tmp_path / "come")
    assert (tmp_path / "come").read_bytes() == b"weights"
    assert not bucket.download("other", tmp_path / "come")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("drop/", ["drop/a.csv", "drop/b.txt"]), ("drop/*.csv", ["drop/a.csv"]), ("drop/a.csv", ["drop/a.csv"])],
    ids=["folder", "wildcard", "one key"],
)
def test_matching_keys_are_sorted(bucket: Bucket, pattern: str, found: list[str]) -> None:
    for key in ("drop/b.txt", "drop/a.csv", "drop2/c.csv"):
        bucket.replace(key, b"")
    assert list(bucket.list_versions(pattern)) == found


def test_changed_object_has_new_version(bucket: Bucket) -> None:
    bucket.replace("a", b"one")
    before = bucket.list_versions("a")
    bucket.replace("a", b"two")
    assert bucket.list_versions("a") != before


def test_fault_names_bucket(bucket: Bucket) -> None:
    with pytest.raises(StoreError, match="could not read a in bucket 'drop' at memory"), bucket.other("drop").open("a"):
        pass


def test_conditional_put_is_proved(bucket: Bucket) -> None:
    bucket.prove()
    bucket.prove()


def test_overwriting_bucket_is_refused(bucket: Bucket, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "put_object", lambda **put: s3.objects.update({put["Key"]: put["Body"]}))
    with pytest.raises(StoreError, match="ignores If-None-Match"):
        bucket.prove()
