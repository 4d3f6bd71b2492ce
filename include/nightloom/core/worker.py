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
import socket
import subprocess
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import IO, Any

from nightloom.core import errors
from nightloom.core.settings import get_settings

logger = logging.getLogger(__name__)

SHARING_CORES = {"GOMP_SPINCOUNT": "10000"}
"""Environment of a process that trains: its threads soon stop to spin while they wait for each other.

Where the cores are shared, as with Airflow here, the one that spins keeps the other from working: a training step
then takes several times as long.
"""

_OF_A_GROUP = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Environment by which `torchrun` tells processes of each other."""

_LEAVES_S = 10

_running: set[subprocess.Popen[str]] = set()


def run_in_worker(
    step: str,
    *,
    python: str | None = None,
    environment: Mapping[str, str] | None = None,
    processes: int = 1,
    **arguments: Any,
) -> Any:
    """Run a step in a fresh interpreter, pass its log lines on as they come, and give its result.

    Args:
        step: `package.module:function` under nightloom.
        python: The interpreter; none: that of training and batch prediction.
        environment: Variables that it finds besides those of this process.
        processes: Several run the step together; the first one's result is the result, and one that fails ends all.
        arguments: JSON values; ids and settings, never secrets.

    Raises:
        NightloomError: What the step raised, as the same class.
        WorkerError: A child was killed or ended without a result.
    """
    interpreter = python or str(get_settings().worker_python)
    command = [interpreter, "-m", "nightloom.nightly.worker", step, json.dumps(arguments)]
    children = [_start(command, {**(environment or {}), **known}) for known in _introduce(processes)]
    try:
        # Each answers into a thread of its own: who waits for another must not keep a third from being heard.
        with ThreadPoolExecutor(processes) as pool:
            answers = [pool.submit(_read_answer, step, child) for child in children]
            try:
                done, _ = wait(answers, return_when=FIRST_EXCEPTION)
            finally:
                _end(children)
    finally:
        _running.difference_update(children)
    if failure := _find_cause(answers, done):
        raise failure
    return answers[0].result()


def terminate_workers() -> None:
    """End every running child: for `on_kill`."""
    for child in list(_running):
        child.send_signal(signal.SIGTERM)


def _introduce(processes: int) -> list[dict[str, str]]:
    """Give each process's environment: what `torchrun` tells those that it starts.

    It is not used itself because it puts them in process groups of their own, which outlive a task that is killed.
    """
    if processes == 1:
        return [{}]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    threads = max(1, (os.cpu_count() or 1) // processes)
    known = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
    }
    return [{**known, "RANK": str(number), "LOCAL_RANK": str(number)} for number in range(processes)]


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    # A task may itself be one of a group: its child is none of that.
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_A_GROUP}
    child = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        command,
        env={**SHARING_CORES, **inherited, **environment},
        # Nothing is written to it: its end tells the child that its parent is gone.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    _running.add(child)
    return child


def _read_answer(step: str, child: subprocess.Popen[str]) -> Any:
    """Wait until a child ends, and give the result of its step."""
    answer, code = _hear(child)
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


def _hear(child: subprocess.Popen[str]) -> tuple[str, int]:
    """Pass a child's log lines on until it ends, and give what it wrote to standard output, and its exit code."""
    with child:
        follower = threading.Thread(target=_pass_on, args=(child.stderr,), daemon=True)
        follower.start()
        answer = child.stdout.read() if child.stdout else ""
        try:
            code = child.wait(_LEAVES_S)
        except subprocess.TimeoutExpired:
            # It has answered. Its farewell to other processes may wait for one that will never give any.
            child.kill()
            code = child.wait()
        follower.join()
    return answer, code


def _find_cause(answers: Sequence[Future[Any]], done: Collection[Future[Any]]) -> BaseException | None:
    """Give why the processes ended, where they did not end well.

    One that fails takes the others along, and what these say, if anything, only follows from it: that a connection is
    lost, or that they were killed. So an error that one of them raised on purpose counts first, then who ended first.
    """
    failures = [failure for answer in answers if (failure := answer.exception())]
    meant = [failure for failure in failures if not isinstance(failure, errors.WorkerError)]
    first = [failure for answer in answers if answer in done and (failure := answer.exception())]
    return next(iter([*meant, *first]), None)


def _end(children: Iterable[subprocess.Popen[str]]) -> None:
    for child in children:
        if child.poll() is None:
            child.kill()


def _pass_on(stream: IO[str] | None) -> None:
    for line in stream or ():
        logger.info("%s", line.rstrip())
