"""Turns: one process trains a trial at a time."""

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
from nightloom.trials.lock import Turn

TRIAL = "7" * 64
HOST = socket.gethostname()
MINUTE = timedelta(minutes=1)


def refuse_to_wait(seconds: float) -> None:
    pytest.fail(f"waited {seconds} s")


@pytest.fixture
def turn(registry: Database) -> Turn:
    return Turn(registry, TRIAL)


def held_by(registry: Database, holder: str, duration: timedelta = MINUTE) -> None:
    assert take_lease(registry, "trial", [TRIAL], holder, duration)


@pytest.mark.parametrize("holder", [f"{HOST}:{os.getppid()}", "elsewhere:1"])
def test_process_that_lives_is_waited_for(
    registry: Database, turn: Turn, holder: str, caplog: pytest.LogCaptureFixture
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
        turn.take(wait)
    assert len(waited) == 3
    (told,) = caplog.messages
    assert re.fullmatch(rf"trial 777\w+ is trained by {holder} since 20..-..-.. .* UTC, which is waited for", told)
    assert turn.renew()


def test_turn_of_a_dead_process_of_this_machine_is_taken_at_once(registry: Database, turn: Turn) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    held_by(registry, f"{HOST}:{dead.pid}")
    turn.take(refuse_to_wait)
    assert turn.renew()


def test_turn_that_ran_out_is_anybodys(registry: Database, turn: Turn) -> None:
    held_by(registry, "elsewhere:1", timedelta(seconds=-1))
    turn.take(refuse_to_wait)


def test_turn_that_ended_is_free(registry: Database, turn: Turn) -> None:
    turn.take(refuse_to_wait)
    turn.end()
    held_by(registry, "elsewhere:1")
    assert not turn.renew()
    assert "is trained by elsewhere:1" in str(turn.lost())
