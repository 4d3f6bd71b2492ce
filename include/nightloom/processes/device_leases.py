"""Devices: each process that trains or generates has GPUs of its own, leased from all that run on this machine."""

import functools
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import ParamSpec, TypeVar

import psutil

from nightloom.core.errors import InputError
from nightloom.core.scratch import is_alive
from nightloom.processes.devices import VISIBLE, list_devices
from nightloom.processes.parent import in_child
from nightloom.registry.database import Database, open_database
from nightloom.registry.leases import drop_lease, read_lease, take_lease

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# Longer than any task. Whoever died before is known to be dead on its own machine, and nobody else asks.
_LEASE = timedelta(days=7)
_ASK_AGAIN_S = 2.0
_CLOCK_S = 60


def on_device(function: Callable[P, R], *, processes: int = 1) -> Callable[P, R]:
    """Return the function, made to run in a child process with GPUs that no other task of this machine sees.

    It has a GPU for each of its processes, and waits until they are free. On a machine without a GPU the child is
    started as it is. The returned function raises what `in_child` says, and InputError when the machine has fewer
    GPUs, though it has some.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with lease_devices(open_database(), processes) as leased:
            environment = {VISIBLE: ",".join(leased)} if leased else {}
            return in_child(function, environment=environment, processes=processes)(*args, **kwargs)

    return run


@contextmanager
def lease_devices(database: Database, count: int) -> Iterator[list[str]]:
    """Lease so many GPUs for a block; none where the machine has none.

    Raises:
        InputError: The machine has fewer GPUs, though it has some.
    """
    devices = list_devices()
    if not devices:
        yield []
        return
    if len(devices) < count:
        msg = (
            f"a training takes {count} devices, and this machine has {len(devices)}; lower NIGHTLOOM_PROCESSES, or "
            f"look at {VISIBLE}"
        )
        raise InputError(msg)
    scope, holder = f"device/{socket.gethostname()}"[:100], _name_process(os.getpid())
    leased = _wait_for(database, scope, devices, count, holder)
    logger.info("device %s of %d", ", ".join(leased), len(devices))
    try:
        yield leased
    finally:
        _give_back(database, scope, leased, holder)


def _wait_for(database: Database, scope: str, devices: Sequence[str], count: int, holder: str) -> list[str]:
    is_told = False
    while True:
        if leased := _take(database, scope, devices, count, holder):
            return leased
        if not is_told:
            logger.info("all devices are at work; waiting until %d of %d are free", count, len(devices))
            is_told = True
        time.sleep(_ASK_AGAIN_S)


def _take(database: Database, scope: str, devices: Sequence[str], count: int, holder: str) -> list[str]:
    """Take so many devices, or none: two that wait for each other's last one would wait for ever."""
    for device in devices:
        lease = read_lease(database, scope, device)
        if lease is not None and not _is_alive(lease.holder):
            logger.info("device %s is taken over from a process that is gone", device)
            drop_lease(database, scope, device, lease.holder)
    leased: list[str] = []
    while len(leased) < count:
        free = take_lease(database, scope, [device for device in devices if device not in leased], holder, _LEASE)
        if free is None:
            _give_back(database, scope, leased, holder)
            return []
        leased.append(free)
    return leased


def _give_back(database: Database, scope: str, devices: Sequence[str], holder: str) -> None:
    for device in devices:
        drop_lease(database, scope, device, holder)


def _name_process(pid: int) -> str:
    """Return a name that no later process of this machine has, though it may have the number."""
    return f"process {pid} since {psutil.Process(pid).create_time():.0f}"


def _is_alive(holder: str) -> bool:
    _, pid, _, since = holder.split()
    try:
        created = psutil.Process(int(pid)).create_time()
    except psutil.NoSuchProcess:
        return False
    # The clock may have been set since: a second or two tell nothing.
    return abs(created - float(since)) < _CLOCK_S and is_alive(int(pid))
