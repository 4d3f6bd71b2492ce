"""Devices: the GPUs of this machine, by their names for CUDA_VISIBLE_DEVICES, found without torch."""

import os
import re
import shutil
import subprocess

VISIBLE = "CUDA_VISIBLE_DEVICES"
NO_DEVICE = {VISIBLE: ""}
"""Environment of a process that must not use GPUs leased by others."""

_UUID = re.compile(r"^(?P<part> +MIG )?.*\(UUID: (?P<uuid>[^)]+)\)", re.MULTILINE)
_TIMEOUT_S = 30


def list_devices() -> list[str]:
    """Return the GPUs that this process may use: those in its environment, else all; none without a driver.

    A GPU that is partitioned (MIG) is listed by its partitions.
    """
    given = os.environ.get(VISIBLE)
    if given is None:
        return _query_driver()
    names = [name.strip() for name in given.split(",")]
    # As in CUDA: an invalid entry, such as -1, ends the list.
    end = next((index for index, name in enumerate(names) if not name or name.startswith("-")), len(names))
    return names[:end]


def _query_driver() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603  # found on PATH
    except (OSError, subprocess.TimeoutExpired):
        return []
    if done.returncode != 0:
        return []
    devices: list[str] = []
    whole: str | None = None
    for found in _UUID.finditer(done.stdout):
        if not found["part"]:
            whole = found["uuid"]
        elif whole in devices:
            devices.remove(str(whole))
        devices.append(found["uuid"])
    return devices
