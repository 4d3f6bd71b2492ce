import re
import threading
from pathlib import Path

import nightloom
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from nightloom.core.digests import digest_bytes
from nightloom.core.errors import ManifestError, StoreError
from nightloom.core.manifests import CachedResult, Plain, manifest_key


class Thing(CachedResult):
    class Key(Plain):
        name: str

    class Result(Plain):
        seconds: float

    kind = "thing"
    key: Key
    result: Result


def thing(name="one", seconds=1.0):
    return Thing(key=Thing.Key(name=name), result=Thing.Result(seconds=seconds))


def s3_error(status):
    return ClientError({"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


TIMEOUT = ReadTimeoutError(endpoint_url="memory")


@pytest.fixture
def break_next(s3, monkeypatch):
    """Make the next calls of an operation fail, in this order; `applied` ones do their work before."""

    def break_next(operation, *errors, applied=False):
        left, works = list(errors), getattr(s3, operation)

        def call(*args, **kwargs):
            if not left:
                return works(*args, **kwargs)
            if applied:
                works(*args, **kwargs)
            raise left.pop(0)

        monkeypatch.setattr(s3, operation, call)
        return left

    return break_next


def test_blob_is_found_by_digest(store, s3):
    digest = store.put_blob(b"refund")
    assert list(s3.objects) == [f"prefix/objects/sha256/{digest[:2]}/{digest[2:]}"]
    assert store.get_blob(digest) == b"refund"


def test_existing_blob_is_not_sent_again(store, break_next):
    digest = store.put_blob(b"refund")
    break_next("put_object", s3_error(403))
    assert store.put_blob(b"refund") == digest


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_damaged_blob_is_refused(store, s3, fault):
    digest = digest_bytes(b"refund")
    if fault == "damaged":
        s3.objects[f"prefix/objects/sha256/{digest[:2]}/{digest[2:]}"] = b"refusal"
    with pytest.raises(ManifestError, match=f"blob {digest} is .* restore it from a backup"):
        store.get_blob(digest)


def test_manifest_is_found_by_key_and_id(store):
    published = store.publish(thing())
    assert store.load(Thing, published.id) == published
    assert store.find(Thing, Thing.Key(name="one")) == published
    assert store.find(Thing, Thing.Key(name="two")) is None


def test_missing_manifest_is_named(store):
    with pytest.raises(ManifestError, match=r"thing f{64} is not in the store; restore it from a backup"):
        store.load(Thing, "f" * 64)


@pytest.mark.parametrize("fault", ["no id", "missing", "damaged"])
def test_missing_manifest_loads_as_none(store, s3, fault):
    manifest = thing()
    if fault == "damaged":
        s3.objects[f"prefix/{manifest_key(manifest.kind, manifest.id)}"] = b"{}"
    assert store.load_if_there(Thing, None if fault == "no id" else manifest.id) is None


def test_unreachable_store_is_not_missing(store, break_next):
    break_next("get_object", s3_error(403))
    with pytest.raises(StoreError):
        store.load_if_there(Thing, thing().id)


def test_first_manifest_is_kept(store):
    store.publish(thing(seconds=1.0))
    assert store.publish(thing(seconds=2.0)).result.seconds == 1.0


def test_concurrent_writers_agree(store):
    answers, start = [], threading.Barrier(8)

    def publish(seconds):
        start.wait()
        answers.append(store.publish(thing(seconds=seconds)).result.seconds)

    writers = [threading.Thread(target=publish, args=(float(n),)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(s3_error(409), id="409 conflict with another writer"),
        pytest.param(s3_error(408), id="408 timeout"),
        pytest.param(s3_error(429), id="429 too many requests"),
        pytest.param(s3_error(500), id="500"),
        pytest.param(s3_error(503), id="503 slow down"),
        pytest.param(ConnectTimeoutError(endpoint_url="memory"), id="no connection"),
    ],
)
def test_transient_fault_is_retried(store, break_next, fault):
    left = break_next("put_object", fault, fault)
    assert store.publish(thing()) == thing()
    assert left == []


@pytest.mark.parametrize("fault", [s3_error(500), TIMEOUT], ids=["500", "timeout"])
def test_commit_with_lost_answer_is_ours(store, s3, break_next, fault):
    break_next("put_object", fault, applied=True)
    assert store.publish(thing()) == thing()
    assert len(s3.objects) == 1


def test_concurrent_commit_with_lost_answer_is_theirs(store, s3, break_next):
    other = thing(seconds=2.0)
    s3.objects[f"prefix/manifests/thing/{other.id}.json"] = other.to_bytes()
    break_next("put_object", TIMEOUT)
    assert store.publish(thing(seconds=1.0)) == other


def test_deleted_conflicting_object_is_written_again(store, break_next):
    left = break_next("put_object", s3_error(412))
    assert store.publish(thing()) == thing() == store.load(Thing, thing().id)
    assert left == []


@pytest.mark.parametrize("status", [400, 403, 404, 507], ids=str)
def test_refusing_store_is_fault(store, s3, break_next, status):
    break_next("put_object", *[s3_error(status)] * 9)
    with pytest.raises(StoreError, match=r"could not write manifests/thing/.* in bucket 'bucket' at memory"):
        store.publish(thing())
    assert s3.objects == {}


def test_refusal_is_not_retried(store, break_next):
    left = break_next("put_object", *[s3_error(403)] * 3)
    with pytest.raises(StoreError):
        store.publish(thing())
    assert len(left) == 2


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("head_object", lambda store, _: store.has_blob("f" * 64)),
        ("get_object", lambda store, _: store.get_blob("f" * 64)),
        ("get_object", lambda store, _: store.find(Thing, thing().key)),
        ("download_file", lambda store, folder: store.fetch_file("f" * 64, folder / "file")),
    ],
    ids=["look", "read", "find", "download"],
)
@pytest.mark.parametrize("fault", [s3_error(403), s3_error(500), TIMEOUT], ids=["403", "500", "timeout"])
def test_failed_lookup_is_not_missing(store, tmp_path, break_next, operation, ask, fault):
    break_next(operation, fault)
    with pytest.raises(StoreError, match="`nightloom doctor` checks the store"):
        ask(store, tmp_path)


def test_fetched_file_appears_whole(store, s3, tmp_path):
    digest = store.put_blob(b"weights")
    s3.objects[f"prefix/objects/sha256/{digest[:2]}/{digest[2:]}"] = b"weig"
    with pytest.raises(ManifestError, match="is damaged in the store"):
        store.fetch_file(digest, tmp_path / "cache" / "model.safetensors")
    assert list((tmp_path / "cache").iterdir()) == []


def test_torn_file_is_fetched_again(store, tmp_path):
    digest = store.put_blob(b"weights")
    (tmp_path / "model.safetensors").write_bytes(b"weig")
    assert store.fetch_file(digest, tmp_path / "model.safetensors").read_bytes() == b"weights"


def test_valid_file_is_kept(store, tmp_path, break_next):
    digest = store.put_blob(b"weights")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    break_next("download_file", s3_error(500))
    assert store.fetch_file(digest, tmp_path / "model.safetensors").read_bytes() == b"weights"


def test_missing_blob_is_input_error(store, tmp_path):
    with pytest.raises(ManifestError, match=f"blob {'f' * 64} is not in the store; restore it from a backup"):
        store.fetch_file("f" * 64, tmp_path / "model.safetensors")


def test_large_file_is_found_by_digest(store, tmp_path, monkeypatch):
    monkeypatch.setattr("nightloom.core.store._ONE_PUT_BYTES", 4)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    digest = store.put_file(tmp_path / "model.safetensors")
    assert digest == digest_bytes(b"weights")
    assert store.get_blob(digest) == b"weights"


def test_only_store_uses_bucket_client():
    core = {"store.py", "s3.py"}
    modules = [path for path in Path(nightloom.__file__).parent.rglob("*.py") if path.name not in core]
    private = re.compile(r"\b(\w*store|open_store\(\)|connect_store\(.*\))\._[a-z]|bucket\.(_[a-z]|client\b)")
    assert len(modules) > 100
    assert [path for path in modules if private.search(path.read_text(encoding="utf-8"))] == []
