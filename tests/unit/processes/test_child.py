"""Child processes end with their parent."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_child_ends_with_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = tmp_path / "waits"
    waits.write_text("#!/bin/sh\necho waiting >&2\nexec cat\n")
    waits.chmod(0o755)
    monkeypatch.setenv("NIGHTLOOM_WORKER_PYTHON", str(waits))
    command = [
        sys.executable,
        "-m",
        "nightloom.processes.child",
        "processes.packages:worker_packages",
        "{}",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stderr
        assert child.stderr.readline() == b"waiting\n"
        child.stdin.close()  # as the kernel does when the parent is gone
        assert child.wait(timeout=60) == 1


def test_child_without_stdin_runs() -> None:
    command = [sys.executable, "-m", "nightloom.processes.child", "core.packages:package_versions", "{}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b'{"result": {}}\n')
