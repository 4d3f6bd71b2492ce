"""Parent process: runs functions in child processes, so that schedulers and parsers never load torch.

The parent starts `python -m nightloom.processes.child MODULE:FUNCTION ARGUMENTS` with `worker_python`. The child logs
to standard error and writes one JSON object to standard output: `{"result": …}` or `{"error": class, "message": …}`.
The child stays in its parent's process group, so killing the task's group kills it too. It also ends when its standard
input ends, so it does not outlive a killed parent.
"""

import functools
import inspect
import json
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import IO, Any, ParamSpec, TypeVar

from nightloom.core import errors
from nightloom.core.settings import get_settings

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE = "nightloom."
_CHILD = "nightloom.processes.child"

SHARING_CORES = {"GOMP_SPINCOUNT": "10000"}
"""Environment of a training process: its OpenMP threads stop spinning soon while they wait for each other.

On shared cores, as with the embedded Airflow, spinning threads keep others from working, and a training step takes
several times as long.
"""

_OF_A_GROUP = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables by which `torchrun` describes a process group."""

_EXIT_TIMEOUT_S = 10

_running: set[subprocess.Popen[str]] = set()


def in_child(
    function: Callable[P, R],
    *,
    python: str | None = None,
    environment: Mapping[str, str] | None = None,
    processes: int = 1,
) -> Callable[P, R]:
    """Return the function wrapped to run in a child process: `in_child(freeze)(base="starter")`.

    The child is a fresh interpreter. Its log lines are forwarded as they come. Arguments and result are JSON values:
    ids and settings, never secrets.

    Args:
        function: A module-level function, which the child imports by name.
        python: The interpreter, or None for that of training and batch prediction.
        environment: Additional environment variables of the child.
        processes: Number of processes that run the function together. The first one returns the result; a failure of
            one ends all.

    Raises:
        ValueError: The function is not at module level in Nightloom.

    The returned function raises a NightloomError of the child as the same class. It raises ChildError if a child was
    killed, ended without a result or failed otherwise.
    """
    name = name_function(function)

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        arguments = inspect.signature(function).bind(*args, **kwargs).arguments
        result: R = _run(name, arguments, python, environment or {}, processes)
        return result

    return run


def name_function(function: Callable[..., Any]) -> str:
    """Return the import name of a function for the child: `package.module:function` under nightloom.

    Raises:
        ValueError: The function is not at module level in Nightloom.
    """
    module, name = function.__module__, function.__qualname__
    if not module.startswith(_PACKAGE) or "." in name or "<" in name:
        msg = f"{module}.{name} is not a module-level function of Nightloom, so a child process cannot import it"
        raise ValueError(msg)
    return f"{module.removeprefix(_PACKAGE)}:{name}"


def _run(
    name: str, arguments: Mapping[str, Any], python: str | None, environment: Mapping[str, str], processes: int
) -> Any:
    interpreter = python or str(get_settings().worker_python)
    command = [interpreter, "-m", _CHILD, name, json.dumps(arguments)]
    children = [_start(command, {**environment, **known}) for known in _describe_group(processes)]
    try:
        # One thread per process, so that each is read while the others run.
        with ThreadPoolExecutor(processes) as pool:
            results = [pool.submit(_read_result, name, child) for child in children]
            try:
                done, _ = wait(results, return_when=FIRST_EXCEPTION)
            finally:
                _end(children)
    finally:
        _running.difference_update(children)
    if failure := _find_cause(results, done):
        raise failure
    return results[0].result()


def terminate_children() -> None:
    """Terminate all running children; for `on_kill`."""
    for child in list(_running):
        child.send_signal(signal.SIGTERM)


def _describe_group(processes: int) -> list[dict[str, str]]:
    """Return the environment of each process, as `torchrun` would set it.

    `torchrun` itself starts new process groups, which would outlive a killed task.
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
    # A task may itself belong to such a group; its child does not.
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_A_GROUP}
    child = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        command,
        env={**SHARING_CORES, **inherited, **environment},
        # Nothing is written to it. It ends with the parent, which ends the child.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    _running.add(child)
    return child


def _read_result(name: str, child: subprocess.Popen[str]) -> Any:
    """Wait until a child ends, and return the result of its function."""
    output, code = _forward_until_end(child)
    try:
        document = json.loads(output.strip().rsplit("\n", 1)[-1])
    except ValueError:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        msg = f"the child process for {name} {how} without a result; see its last log lines, then retry, which resumes"
        raise errors.ChildError(msg) from None
    if "error" in document:
        kind = getattr(errors, document["error"], errors.ChildError)
        raise kind(document["message"])
    return document["result"]


def _forward_until_end(child: subprocess.Popen[str]) -> tuple[str, int]:
    """Forward a child's log lines until it ends; return its standard output and exit code."""
    with child:
        follower = threading.Thread(target=_forward_lines, args=(child.stderr,), daemon=True)
        follower.start()
        output = child.stdout.read() if child.stdout else ""
        try:
            code = child.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # The result is there. Process-group shutdown can hang when another rank has died.
            child.kill()
            code = child.wait()
        follower.join()
    return output, code


def _find_cause(results: Sequence[Future[Any]], done: Collection[Future[Any]]) -> BaseException | None:
    """Return the error that caused processes to fail, or None if all succeeded.

    A failure ends the other processes too, with errors that only follow from it, such as a lost connection. So an error
    raised on purpose counts first, then that of the first process to end.
    """
    failures = [failure for result in results if (failure := result.exception())]
    deliberate = [failure for failure in failures if not isinstance(failure, errors.ChildError)]
    first = [failure for result in results if result in done and (failure := result.exception())]
    return next(iter([*deliberate, *first]), None)


def _end(children: Iterable[subprocess.Popen[str]]) -> None:
    for child in children:
        if child.poll() is None:
            child.kill()


def _forward_lines(stream: IO[str] | None) -> None:
    for line in stream or ():
        logger.info("%s", line.rstrip())
