import logging
import os

import pytest
from nightloom.core.digests import short
from nightloom.core.errors import ChildError, InputError
from nightloom.core.nights import parse_night
from nightloom.core.settings import get_settings
from nightloom.processes.devices import list_devices
from nightloom.processes.parent import in_child, terminate_children


@pytest.fixture
def interpreter(tmp_path, monkeypatch):
    """Let a shell script stand in for the interpreter of child processes."""

    def interpreter(script):
        path = tmp_path / "interpreter"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        settings = get_settings().model_copy(update={"worker_python": path})
        monkeypatch.setattr("nightloom.processes.parent.get_settings", lambda: settings)

    return interpreter


def test_child_returns_result():
    assert in_child(short)(digest="0123456789abcdef") == "0123456789ab"


def test_child_error_is_raised_in_parent():
    with pytest.raises(InputError, match="'tonight' is not a night; write a date such as 2026-11-23"):
        in_child(parse_night)(text="tonight")


def test_bug_in_function_is_named():
    with pytest.raises(ChildError, match="TypeError: 'int' object is not subscriptable"):
        in_child(short)(digest=7)


def test_wrong_argument_starts_no_child(interpreter):
    interpreter("echo '{\"result\": 7}'")
    with pytest.raises(TypeError, match="missing a required argument: 'digest'"):
        in_child(short)(digits=12)


@pytest.mark.parametrize("function", [lambda: 1, logging.getLogger, pytest.raises], ids=["lambda", "library", "tests"])
def test_only_nightloom_functions_run_in_child(function):
    with pytest.raises(ValueError, match="is not a module-level function of Nightloom"):
        in_child(function)


def test_child_log_lines_are_forwarded(interpreter, caplog):
    caplog.set_level(logging.INFO, logger="nightloom")
    interpreter("echo step 1 >&2; echo '{\"result\": 7}'")
    assert in_child(list_devices)() == 7
    assert caplog.messages == ["step 1"]


def test_killed_child_is_reported(interpreter):
    interpreter("kill -9 $$")
    with pytest.raises(
        ChildError, match=r"the child process for processes.devices:list_devices was killed by SIGKILL without a result"
    ):
        in_child(list_devices)()


def test_child_without_result_is_fault(interpreter):
    interpreter("exit 3")
    with pytest.raises(ChildError, match="ended with exit code 3 without a result"):
        in_child(list_devices)()


def test_children_are_terminated(interpreter, monkeypatch):
    interpreter("echo running >&2; exec sleep 60")
    monkeypatch.setattr("nightloom.processes.parent.logger.info", lambda *_: terminate_children())
    with pytest.raises(ChildError, match="was killed by SIGTERM"):
        in_child(list_devices)()


def test_first_process_returns_result(interpreter):
    interpreter('echo "{\\"result\\": \\"$RANK of $WORLD_SIZE\\"}"')
    assert in_child(list_devices, processes=3)() == "0 of 3"


def test_failing_process_ends_all(interpreter):
    failing = '{"error": "InputError", "message": "too long; shorten it"}'
    interpreter(f"[ $RANK = 1 ] || exec sleep 60; echo '{failing}'; exit 1")
    with pytest.raises(InputError, match="too long; shorten it"):
        in_child(list_devices, processes=3)()


def test_processes_stay_in_parent_group(interpreter):
    interpreter('read -r _ _ _ _ group _ < /proc/$$/stat; echo "{\\"result\\": $group}"')
    assert in_child(list_devices, processes=2)() == os.getpgid(0)


def test_deliberate_error_is_raised_first(interpreter, tmp_path):
    said = tmp_path / "said"
    why = '{"error": "InputError", "message": "too long; shorten it"}'
    follows = '{"error": "ChildError", "message": "RuntimeError: connection closed by peer"}'
    # The first has said why, and takes long to leave; the second has ended before.
    interpreter(
        f"if [ $RANK = 0 ]; then echo '{why}'; touch {said}; exec sleep 60; fi\n"
        f"while [ ! -e {said} ]; do :; done; echo '{follows}'; exit 1"
    )
    with pytest.raises(InputError, match="too long; shorten it"):
        in_child(list_devices, processes=2)()


def test_first_lost_process_is_reported(interpreter):
    interpreter("[ $RANK = 1 ] || exec sleep 60; kill -11 $$")
    with pytest.raises(ChildError, match="was killed by SIGSEGV"):
        in_child(list_devices, processes=3)()


def test_hanging_child_is_killed_after_result(interpreter, monkeypatch):
    monkeypatch.setattr("nightloom.processes.parent._EXIT_TIMEOUT_S", 0)
    interpreter("echo '{\"result\": 7}'; exec sleep 60 >&-")
    assert in_child(list_devices)() == 7


def test_child_does_not_inherit_torchrun_group(interpreter, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    interpreter('echo "{\\"result\\": \\"${WORLD_SIZE:-none}\\"}"')
    assert in_child(list_devices)() == "none"
