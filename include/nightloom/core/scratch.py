"""Scratch folders: temporary folders on this machine's disk, deleted with their process."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from nightloom.core.settings import get_settings


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Create an empty folder under the var folder for a block; folders of killed processes are deleted too."""
    parent = get_settings().var_dir / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    # Machines may share the folder, and each knows only its own processes.
    host = socket.gethostname().replace("_", "-")
    for left in parent.glob(f"{host}_*_*"):
        process = left.name.split("_")[1]
        if process.isdigit() and not is_alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(dir=parent, prefix=f"{host}_{os.getpid()}_") as folder:
        yield Path(folder)


def is_alive(process: int) -> bool:
    """Whether a process of this machine is running. A zombie is not."""
    try:
        # In a container whose first process does not reap orphans, they stay zombies.
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
