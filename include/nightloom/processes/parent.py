"""The parent's side: a function runs in a fresh interpreter, so that nothing which parses or waits loads torch.

The parent starts `python -m nightloom.processes.child MODULE:FUNCTION ARGUMENTS` with `worker_python`. The child logs
to standard error and writes one JSON object to standard output: `{"result": …}` or `{"error": class, "message": …}`.
The child stays in the process group of its parent: whoever kills the task's group kills it too. It ends when its
standard input does: a parent that is killed alone takes it along.
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
"""Environment of a process that trains: its threads soon stop to spin while they wait for each other.

Where the cores are shared, as with Airflow here, the one that spins keeps the other from working: a training step
then takes several times as long.
"""

_OF_A_GROUP = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Environment by which `torchrun` tells processes of each other."""

_LEAVES_S = 10

_running: set[subprocess.Popen[str]] = set()


def in_child(
    function: Callable[P, R],
    *,
    python: str | None = None,
    environment: Mapping[str, str] | None = None,
    processes: int = 1,
) -> Callable[P, R]:
    """Return the function, made to run in a child process: `in_child(freeze)(base="starter")`.

    The child is a fresh interpreter. Its log lines are passed on as they come. Arguments and result are JSON values:
    ids and settings, never secrets.

    Args:
        function: A function of a module, which the child imports by its name.
        python: The interpreter, or None for that of training and batch prediction.
        environment: Variables that the child finds besides those of this process.
        processes: Several run the function together; the first one's result is the result, and one that fails ends all.

    Raises:
        ValueError: It is no function of a module of Nightloom.

    The returned function raises what the function raised, as the same class, if it is a NightloomError; and ChildError
    when a child was killed, ended without a result or failed otherwise.
    """
    name = name_function(function)

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        arguments = inspect.signature(function).bind(*args, **kwargs).arguments
        result: R = _run(name, arguments, python, environment or {}, processes)
        return result

    return run


def name_function(function: Callable[..., Any]) -> str:
    """Return the name by which a child imports a function: `package.module:function` under nightloom.

    Raises:
        ValueError: It is no function of a module of Nightloom.
    """
    module, name = function.__module__, function.__qualname__
    if not module.startswith(_PACKAGE) or "." in name or "<" in name:
        msg = f"{module}.{name} is not a function of a module of Nightloom, so no child can import it"
        raise ValueError(msg)
    return f"{module.removeprefix(_PACKAGE)}:{name}"


def _run(
    name: str, arguments: Mapping[str, Any], python: str | None, environment: Mapping[str, str], processes: int
) -> Any:
    interpreter = python or str(get_settings().worker_python)
    command = [interpreter, "-m", _CHILD, name, json.dumps(arguments)]
    children = [_start(command, {**environment, **known}) for known in _introduce(processes)]
    try:
        # Each answers into a thread of its own: who waits for another must not keep a third from being heard.
        with ThreadPoolExecutor(processes) as pool:
            answers = [pool.submit(_read_answer, name, child) for child in children]
            try:
                done, _ = wait(answers, return_when=FIRST_EXCEPTION)
            finally:
                _end(children)
    finally:
        _running.difference_update(children)
    if failure := _find_cause(answers, done):
        raise failure
    return answers[0].result()


def terminate_children() -> None:
    """End every running child: for `on_kill`."""
    for child in list(_running):
        child.send_signal(signal.SIGTERM)


def _introduce(processes: int) -> list[dict[str, str]]:
    """Return each process's environment: what `torchrun` tells those that it starts.

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


def _read_answer(name: str, child: subprocess.Popen[str]) -> Any:
    """Wait until a child ends, and return the result of its function."""
    answer, code = _hear(child)
    try:
        document = json.loads(answer.strip().rsplit("\n", 1)[-1])
    except ValueError:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        msg = f"the child process for {name} {how} without a result; its last log lines say why, and a retry goes on"
        raise errors.ChildError(msg) from None
    if "error" in document:
        kind = getattr(errors, document["error"], errors.ChildError)
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
    """Return why the processes ended, where they did not end well.

    One that fails takes the others along, and what these say, if anything, only follows from it: that a connection is
    lost, or that they were killed. So an error that one of them raised on purpose counts first, then who ended first.
    """
    failures = [failure for answer in answers if (failure := answer.exception())]
    meant = [failure for failure in failures if not isinstance(failure, errors.ChildError)]
    first = [failure for answer in answers if answer in done and (failure := answer.exception())]
    return next(iter([*meant, *first]), None)


def _end(children: Iterable[subprocess.Popen[str]]) -> None:
    for child in children:
        if child.poll() is None:
            child.kill()


def _pass_on(stream: IO[str] | None) -> None:
    for line in stream or ():
        logger.info("%s", line.rstrip())
