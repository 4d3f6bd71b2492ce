import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nightloom.core.digests import digest_bytes
from nightloom.core.errors import StoreError
from nightloom.core.store import ObjectStore, connect_store
from nightloom.embedded.instance import Instance
from nightloom.embedded.lifecycle import down, status, up
from nightloom.embedded.supervisor import find_owned


def supervisor_pid(var_dir: Path) -> int:
    return int((var_dir / "services" / "supervisord.pid").read_text())


def test_stored_object_is_read_back(s3_store: ObjectStore) -> None:
    digest = s3_store.put_blob(b"a blob")

    assert s3_store.get_blob(digest) == b"a blob"


def test_race_for_key_has_one_winner(s3_store: ObjectStore) -> None:
    def put(number: int) -> bool:
        return s3_store.bucket.put_if_absent("race", str(number).encode())

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(put, range(8)))

    assert won.count(True) == 1


def test_wrong_password_is_refused(seaweed: Instance) -> None:
    wrong = seaweed.settings().model_copy(update={"store_secret_key": None, "store_access_key": None})
    environment = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "else"}

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(StoreError):
            connect_store(wrong).put_blob(b"refused")


def test_restart_changes_nothing(seaweed: Instance) -> None:
    before = supervisor_pid(seaweed.var_dir)

    assert up(seaweed.var_dir, airflow=False) == seaweed
    assert supervisor_pid(seaweed.var_dir) == before
    assert status(seaweed.var_dir) == {"seaweedfs": "RUNNING"}


@pytest.mark.timeout(300)
def test_confirmed_write_survives_a_kill(tmp_path: Path) -> None:
    """After a kill of the supervisor, `up` takes over its processes; `down` leaves none."""
    store = connect_store(up(tmp_path, airflow=False).settings())
    digests = [store.put_blob(f"blob {number}".encode()) for number in range(20)]
    os.kill(supervisor_pid(tmp_path), signal.SIGKILL)

    again = connect_store(up(tmp_path, airflow=False).settings())

    assert [digest_bytes(again.get_blob(digest)) for digest in digests] == digests
    assert len(find_owned(tmp_path)) == 2
    down(tmp_path)
    assert find_owned(tmp_path) == []
    assert status(tmp_path) == {}
