"""Trial locks: one process trains a trial at a time."""

import logging
import os
import re
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from nightloom.registry.database import Database
from nightloom.registry.leases import drop_lease, take_lease
from nightloom.registry.trials import begin_trial
from nightloom.trials.lock import TrialLock

TRIAL = "7" * 64
HOST = socket.gethostname()
MINUTE = timedelta(minutes=1)


def refuse_to_wait(seconds: float) -> None:
    pytest.fail(f"waited {seconds} s")


@pytest.fixture
def lock(registry: Database) -> TrialLock:
    return TrialLock(registry, TRIAL)


def held_by(registry: Database, holder: str, duration: timedelta = MINUTE) -> None:
    assert take_lease(registry, "trial", [TRIAL], holder, duration)


@pytest.mark.parametrize("holder", [f"{HOST}:{os.getppid()}", "elsewhere:1"])
def test_live_holder_is_waited_for(
    registry: Database, lock: TrialLock, holder: str, caplog: pytest.LogCaptureFixture
) -> None:
    begin_trial(registry, TRIAL, device="cpu")
    held_by(registry, holder)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        held_by(registry, holder, 2 * MINUTE)
        if len(waited) == 3:
            drop_lease(registry, "trial", TRIAL, holder)

    with caplog.at_level(logging.INFO, "nightloom"):
        lock.acquire(wait)
    assert len(waited) == 3
    (line,) = caplog.messages
    expected = rf"trial 777\w+: waiting for {holder}, which has been training this trial since 20..-..-.. .* UTC"
    assert re.fullmatch(expected, line)
    assert lock.renew()


def test_lock_of_dead_process_is_acquired(registry: Database, lock: TrialLock) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    held_by(registry, f"{HOST}:{dead.pid}")
    lock.acquire(refuse_to_wait)
    assert lock.renew()


def test_expired_lock_is_acquired(registry: Database, lock: TrialLock) -> None:
    held_by(registry, "elsewhere:1", timedelta(seconds=-1))
    lock.acquire(refuse_to_wait)


def test_released_lock_is_free(registry: Database, lock: TrialLock) -> None:
    lock.acquire(refuse_to_wait)
    lock.release()
    held_by(registry, "elsewhere:1")
    assert not lock.renew()
    assert "lost the lock of trial 777777777777 to elsewhere:1" in str(lock.lost_error())
