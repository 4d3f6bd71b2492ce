"""Turns: one process trains a trial at a time."""

import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from nightloom.core.errors import ConflictError
from nightloom.registry.database import Database
from nightloom.registry.leases import drop_lease, take_lease
from nightloom.registry.trials import begin_trial
from nightloom.training.turns import Turn

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


def test_process_that_lives_here_keeps_its_turn(registry: Database, turn: Turn) -> None:
    begin_trial(registry, TRIAL, device="cpu")
    held_by(registry, f"{HOST}:{os.getppid()}")
    with pytest.raises(ConflictError, match=rf"is trained by {HOST}:{os.getppid()} since 20..-..-.. .* UTC"):
        turn.take(refuse_to_wait)


def test_turn_of_a_dead_process_of_this_machine_is_taken_at_once(registry: Database, turn: Turn) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    held_by(registry, f"{HOST}:{dead.pid}")
    turn.take(refuse_to_wait)
    assert turn.renew()


def test_turn_of_another_machine_is_waited_for_until_it_runs_out(registry: Database, turn: Turn) -> None:
    held_by(registry, "elsewhere:1")
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            drop_lease(registry, "trial", TRIAL, "elsewhere:1")

    turn.take(wait)
    assert waited == [1.0, 1.0, 1.0]


def test_process_of_another_machine_that_lives_keeps_its_turn(registry: Database, turn: Turn) -> None:
    held_by(registry, "elsewhere:1")
    with pytest.raises(ConflictError, match="is trained by elsewhere:1"):
        turn.take(lambda seconds: held_by(registry, "elsewhere:1", 2 * MINUTE))


def test_turn_that_ran_out_is_anybodys(registry: Database, turn: Turn) -> None:
    held_by(registry, "elsewhere:1", timedelta(seconds=-1))
    turn.take(refuse_to_wait)


def test_turn_that_ended_is_free(registry: Database, turn: Turn) -> None:
    turn.take(refuse_to_wait)
    turn.end()
    held_by(registry, "elsewhere:1")
    assert not turn.renew()
    assert "is trained by elsewhere:1" in str(turn.lost())
