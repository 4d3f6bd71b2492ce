"""Scratch folders: on this machine's disk while a process needs them, gone when it is."""

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
    """Lend an empty folder under the var folder, gone afterwards; what killed processes left there goes too."""
    parent = get_settings().var_dir / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    # The folder may be shared by machines, each of which knows its own processes alone.
    host = socket.gethostname().replace("_", "-")
    for folder in parent.glob(f"{host}_*_*"):
        process = folder.name.split("_")[1]
        if process.isdigit() and not is_alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(dir=parent, prefix=f"{host}_{os.getpid()}_") as lent:
        yield Path(lent)


def is_alive(process: int) -> bool:
    """Whether a process of this machine still runs. One that ended and was not waited for does not."""
    try:
        # Nobody waits for an orphan in a container whose first process is not made for that.
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
