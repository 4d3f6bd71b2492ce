"""Device leases: each training or generation process leases its own GPUs of this machine."""

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

# Longer than any task. Dead holders are detected earlier: only processes of the same machine use these leases.
_LEASE = timedelta(days=7)
_ASK_AGAIN_S = 2.0
_CLOCK_S = 60


def on_device(function: Callable[P, R], *, processes: int = 1) -> Callable[P, R]:
    """Return the function wrapped to run in a child process with GPUs of its own.

    It waits until one GPU per process is free. On a machine without GPUs the child runs without one. The returned
    function raises what `in_child` raises, and InputError if the machine has GPUs, but too few.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with lease_devices(open_database(), processes) as leased:
            environment = {VISIBLE: ",".join(leased)} if leased else {}
            return in_child(function, environment=environment, processes=processes)(*args, **kwargs)

    return run


@contextmanager
def lease_devices(database: Database, count: int) -> Iterator[list[str]]:
    """Lease a number of GPUs for a block, or none if the machine has none.

    Raises:
        InputError: The machine has GPUs, but too few.
    """
    devices = list_devices()
    if not devices:
        yield []
        return
    if len(devices) < count:
        msg = (
            f"training needs {count} GPUs, but this machine has {len(devices)}; lower NIGHTLOOM_PROCESSES, or check "
            f"{VISIBLE}"
        )
        raise InputError(msg)
    scope, holder = f"device/{socket.gethostname()}"[:100], _name_process(os.getpid())
    leased = _wait_for(database, scope, devices, count, holder)
    logger.info("device %s: leased; this machine has %d", ", ".join(leased), len(devices))
    try:
        yield leased
    finally:
        _release(database, scope, leased, holder)


def _wait_for(database: Database, scope: str, devices: Sequence[str], count: int, holder: str) -> list[str]:
    is_logged = False
    while True:
        if leased := _take(database, scope, devices, count, holder):
            return leased
        if not is_logged:
            logger.info("waiting for %d of %d devices, which are in use", count, len(devices))
            is_logged = True
        time.sleep(_ASK_AGAIN_S)


def _take(database: Database, scope: str, devices: Sequence[str], count: int, holder: str) -> list[str]:
    """Lease a number of devices or none of them, since partial leases could deadlock."""
    for device in devices:
        lease = read_lease(database, scope, device)
        if lease is not None and not _is_alive(lease.holder):
            logger.info("device %s: taking over the lease of a dead process", device)
            drop_lease(database, scope, device, lease.holder)
    leased: list[str] = []
    while len(leased) < count:
        free = take_lease(database, scope, [device for device in devices if device not in leased], holder, _LEASE)
        if free is None:
            _release(database, scope, leased, holder)
            return []
        leased.append(free)
    return leased


def _release(database: Database, scope: str, devices: Sequence[str], holder: str) -> None:
    for device in devices:
        drop_lease(database, scope, device, holder)


def _name_process(pid: int) -> str:
    """Return a unique name of a process, since process ids are reused."""
    return f"process {pid} since {psutil.Process(pid).create_time():.0f}"


def _is_alive(holder: str) -> bool:
    _, pid, _, since = holder.split()
    try:
        created = psutil.Process(int(pid)).create_time()
    except psutil.NoSuchProcess:
        return False
    # The clock may have been adjusted by a few seconds since.
    return abs(created - float(since)) < _CLOCK_S and is_alive(int(pid))
