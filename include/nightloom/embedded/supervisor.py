"""Supervisor: the supervisord that runs an instance's processes, and the search for processes that outlived it.

All processes inherit `NIGHTLOOM_OWNER=<var folder>` in their environment, including Airflow's tasks. They are found
even after leaving their parent, session or process group.
"""

import logging
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy, Transport

import psutil

from nightloom.core.errors import FaultError
from nightloom.embedded.instance import OWNER_VARIABLE, Instance, write_private
from nightloom.embedded.programs import Program, inherited_environment

logger = logging.getLogger(__name__)

_STARTED = ("RUNNING", "STARTING", "BACKOFF")
_ANSWER_S = 15
_STOP_S = 12
_SWEEP_S = 30


class _SocketConnection(HTTPConnection):
    """HTTP over a Unix socket, with a timeout."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_S)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


class _SocketTransport(Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> HTTPConnection:
        connection = _SocketConnection(self._path)
        self._connection = host, connection  # `close` reads it from here
        return connection


class Supervisor:
    """Client of an instance's supervisord, through its Unix socket."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._socket = instance.socket_dir / "supervisor.sock"
        self._config = instance.services_dir / "supervisord.conf"
        self._pid_file = instance.services_dir / "supervisord.pid"
        self._log = instance.logs_dir / "supervisord.log"

    def pid(self) -> int | None:
        """Return the process id of supervisord, or None if it does not answer."""
        try:
            return int(self._ask("getPID"))
        except OSError:
            return None

    def run(self, programs: Sequence[Program]) -> None:
        """Run these programs. Unchanged programs keep running, changed ones are restarted."""
        write_private(self._config, self._render(programs))
        if self.pid() is None:
            self._start()
        self._reload()
        for program in programs:
            if self._ask("getProcessInfo", program.name)["statename"] not in _STARTED:
                self._ask("startProcess", program.name, False)

    def states(self) -> dict[str, str]:
        """Return the state of every program by name. Empty if supervisord does not answer."""
        if self.pid() is None:
            return {}
        return {info["name"]: info["statename"] for info in self._ask("getAllProcessInfo")}

    def stop(self) -> None:
        """Stop all programs at once, and then supervisord. Do nothing if it does not answer."""
        with suppress(OSError, FaultError):
            self._ask("stopAllProcesses", False)
            deadline = time.monotonic() + _STOP_S
            while "STOPPING" in self.states().values() and time.monotonic() < deadline:
                time.sleep(0.1)
            self._ask("shutdown")

    def _start(self) -> None:
        stop_owned(self._instance.var_dir)
        self._socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._instance.logs_dir.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)]
        done = subprocess.run(  # noqa: S603  # our own interpreter and file
            command,
            env=inherited_environment(self._instance),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            msg = f"supervisord did not start with {self._config}: {done.stderr.strip()[-500:]}"
            raise FaultError(msg)
        wait_until("the supervisor", self._refuses, timeout_s=10)

    def _refuses(self) -> str | None:
        return None if self.pid() else f"no answer on {self._socket}"

    def _reload(self) -> None:
        [[added, changed, removed]] = self._ask("reloadConfig")
        for name in (*changed, *removed):
            self._ask("stopProcessGroup", name)
            self._ask("removeProcessGroup", name)
        for name in (*added, *changed):
            self._ask("addProcessGroup", name)

    def _ask(self, method: str, *arguments: Any) -> Any:
        with ServerProxy("http://localhost", transport=_SocketTransport(self._socket)) as proxy:
            try:
                return getattr(proxy.supervisor, method)(*arguments)
            except Fault as error:
                what = f"{method} {' '.join(map(str, arguments))}".strip()
                msg = f"supervisord refused {what}: {error.faultString}; see {self._log}"
                raise FaultError(msg) from error

    def _render(self, programs: Sequence[Program]) -> str:
        logs = self._instance.logs_dir
        sections: dict[str, dict[str, object]] = {
            "unix_http_server": {"file": self._socket, "chmod": "0700"},
            "supervisord": {
                "logfile": self._log,
                "logfile_maxbytes": "10MB",
                "logfile_backups": 2,
                "pidfile": self._pid_file,
                "directory": self._instance.services_dir,
            },
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
            },
            **{f"program:{program.name}": render_section(program, logs) for program in programs},
        }
        return "\n".join(
            f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in section.items())
            for name, section in sections.items()
        )


def render_section(program: Program, logs: Path) -> dict[str, object]:
    """Return the section of a program in supervisord's configuration file."""
    environment = ",".join(f"{key}={_quote(value)}" for key, value in sorted(program.environment.items()))
    return {
        "command": _escape(shlex.join(program.command)),
        "environment": _escape(environment),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": 2,
        "startretries": 5,
        "stopasgroup": "true",
        "killasgroup": "true",
        "stopwaitsecs": program.stop_s,
        "redirect_stderr": "true",
        "stdout_logfile": _escape(str(logs / f"{program.name}.log")),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 2,
    }


def find_owned(var_dir: Path, *, supervisor: int | None = None) -> list[psutil.Process]:
    """Return all processes of a var folder, except the current process and its ancestors.

    Args:
        var_dir: Folder of the instance.
        supervisor: Process to leave out with all of its children, or None.
    """
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    with suppress(psutil.NoSuchProcess):
        if supervisor is not None:
            spared |= {supervisor, *(child.pid for child in psutil.Process(supervisor).children(recursive=True))}
    owned = []
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get(OWNER_VARIABLE) == str(var_dir):
                owned.append(process)
        except (psutil.Error, OSError):  # it has ended, or belongs to another user
            continue
    return owned


def stop_owned(var_dir: Path, *, supervisor: int | None = None, patience_s: float = 2) -> int:
    """Terminate all processes of a var folder, then kill those that remain. Return how many there were.

    Args:
        var_dir: Folder of the instance.
        supervisor: Process to leave out with all of its children, or None.
        patience_s: Seconds to wait between terminating and killing.

    Raises:
        FaultError: Some processes still run after half a minute.
    """
    asked: set[int] = set()
    deadline = time.monotonic() + _SWEEP_S
    # Searched again after each signal: processes can start children while they are being stopped.
    while owned := find_owned(var_dir, supervisor=supervisor):
        if time.monotonic() > deadline:
            msg = f"processes {sorted(process.pid for process in owned)} do not end; inspect them with ps and stop them"
            raise FaultError(msg)
        for process in owned:
            end = process.kill if process.pid in asked else process.terminate
            with suppress(psutil.NoSuchProcess):
                end()
        asked.update(process.pid for process in owned)
        psutil.wait_procs(owned, timeout=patience_s)
    return len(asked)


def wait_until(what: str, refusal: Callable[[], str | None], *, timeout_s: float) -> None:
    """Wait until `refusal` returns None.

    Args:
        what: Name of what is waited for.
        refusal: Returns why it is not ready, or None if it is ready.
        timeout_s: Seconds to wait.

    Raises:
        FaultError: It is not ready in time. The message has the last reason.
    """
    started = time.monotonic()
    while reason := refusal():
        if time.monotonic() - started > timeout_s:
            msg = f"{what}: not ready after {timeout_s:.0f} s: {reason}"
            raise FaultError(msg)
        time.sleep(0.2)
    logger.info("%s: ready after %.1f s", what, time.monotonic() - started)


def _quote(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


def _escape(value: str) -> str:
    return value.replace("%", "%%")
