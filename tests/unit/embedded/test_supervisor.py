import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nightloom.core.errors import FaultError
from nightloom.embedded.programs import Program
from nightloom.embedded.supervisor import find_owned, render_section, stop_owned, wait_until
from supervisor.datatypes import dict_of_key_value_pairs

SLEEPS = "print('ready', flush=True); import time; time.sleep(60)"
IGNORES_TERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
LEAVES_ITS_SESSION = f"import os; os.setsid(); {SLEEPS}"


@contextmanager
def child(code: str, owner: Path | None) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, **({"NIGHTLOOM_OWNER": str(owner)} if owner else {})}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def test_only_marked_processes_are_found(tmp_path: Path) -> None:
    with child(SLEEPS, tmp_path) as ours, child(SLEEPS, tmp_path / "other"), child(SLEEPS, None):
        assert [process.pid for process in find_owned(tmp_path)] == [ours.pid]


def test_supervised_processes_are_not_stray(tmp_path: Path) -> None:
    with child(SLEEPS, tmp_path) as ours:
        assert find_owned(tmp_path, supervisor=os.getpid()) == []
        assert find_owned(tmp_path, supervisor=ours.pid) == []


@pytest.mark.parametrize(
    "code",
    [SLEEPS, LEAVES_ITS_SESSION, IGNORES_TERM],
    ids=["plain", "own session", "ignores the gentle signal"],
)
def test_marked_processes_are_stopped(tmp_path: Path, code: str) -> None:
    with child(code, tmp_path):
        assert stop_owned(tmp_path, patience_s=0.2) == 1
        assert find_owned(tmp_path) == []


def test_waiting_ends_with_the_last_reason() -> None:
    with pytest.raises(FaultError, match="the store: not ready after 0 s: no answer"):
        wait_until("the store", lambda: "no answer", timeout_s=0)


def test_waiting_ends_when_nothing_is_refused() -> None:
    reasons = iter(["not yet", None])

    wait_until("the store", lambda: next(reasons), timeout_s=5)

    assert list(reasons) == []


def test_supervisor_parses_environment_unchanged(tmp_path: Path) -> None:
    environment = {"PATH": "/a:/b c,d", "LIST": '["x", "y"]', "KEY": "a-b_c=="}

    section = render_section(Program("p", ("/bin/p", "100%"), environment), tmp_path)

    assert dict_of_key_value_pairs(section["environment"]) == environment
    assert section["command"] == "/bin/p 100%%"
