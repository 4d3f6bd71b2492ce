"""Workers: a fresh interpreter for what trains or generates, so that nothing which parses or waits loads torch.

The parent starts `python -m nightloom.nightly.worker STEP ARGUMENTS` with `worker_python`. The child logs to standard
error and writes one JSON object to standard output: `{"result": …}` or `{"error": class name, "message": …}`.
The child stays in the process group of its parent: whoever kills the task's group kills it too. It ends when its
standard input does: a parent that is killed alone takes it along.
"""

import json
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import IO, Any

from nightloom.core import errors
from nightloom.core.settings import get_settings

logger = logging.getLogger(__name__)

SHARING_CORES = {"GOMP_SPINCOUNT": "10000"}
"""Environment of a process that trains: its threads soon stop to spin while they wait for each other.

Where the cores are shared, as with Airflow here, the one that spins keeps the other from working: a training step
then takes several times as long.
"""

_running: set[subprocess.Popen[str]] = set()


def run_in_worker(step: str, *, python: str | None = None, **arguments: Any) -> Any:
    """Run a step in a fresh interpreter, pass its log lines on as they come, and give its result.

    Args:
        step: `package.module:function` under nightloom.
        python: The interpreter; none: that of training and batch prediction.
        arguments: JSON values; ids and settings, never secrets.

    Raises:
        NightloomError: What the step raised, as the same class.
        WorkerError: The child was killed or ended without a result.
    """
    interpreter = python or str(get_settings().worker_python)
    answer, code = _ask_child([interpreter, "-m", "nightloom.nightly.worker", step, json.dumps(arguments)])
    return _read_answer(step, answer, code)


def terminate_workers() -> None:
    """End every running child: for `on_kill`."""
    for child in list(_running):
        child.send_signal(signal.SIGTERM)


def _ask_child(command: Sequence[str]) -> tuple[str, int]:
    """Run a command and give what it wrote to standard output, and its exit code."""
    with subprocess.Popen(  # noqa: S603  # our own interpreter and module
        command,
        env={**SHARING_CORES, **os.environ},
        # Nothing is written to it: its end tells the child that its parent is gone.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as child:
        _running.add(child)
        try:
            follower = threading.Thread(target=_pass_on, args=(child.stderr,), daemon=True)
            follower.start()
            answer = child.stdout.read() if child.stdout else ""
            code = child.wait()
            follower.join()
        finally:
            _running.discard(child)
            if child.poll() is None:
                child.kill()
    return answer, code


def _pass_on(stream: IO[str] | None) -> None:
    for line in stream or ():
        logger.info("%s", line.rstrip())


def _read_answer(step: str, answer: str, code: int) -> Any:
    try:
        document = json.loads(answer.strip().rsplit("\n", 1)[-1])
    except ValueError:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        msg = f"the worker for {step} {how} without a result; its last log lines say why, and a retry goes on"
        raise errors.WorkerError(msg) from None
    if "error" in document:
        kind = getattr(errors, document["error"], errors.WorkerError)
        raise kind(document["message"])
    return document["result"]
