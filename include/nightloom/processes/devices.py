"""Devices: the GPUs of this machine, found without torch, by the names that CUDA_VISIBLE_DEVICES takes."""

import os
import re
import shutil
import subprocess

VISIBLE = "CUDA_VISIBLE_DEVICES"
NO_DEVICE = {VISIBLE: ""}
"""Environment of a process that must not take a GPU which another one has leased."""

_UUID = re.compile(r"^(?P<part> +MIG )?.*\(UUID: (?P<uuid>[^)]+)\)", re.MULTILINE)
_TIMEOUT_S = 30


def list_devices() -> list[str]:
    """Return the GPUs that this process may use: those that its environment names, else all; none without a driver.

    Of a GPU that is cut into parts (MIG), the parts are given.
    """
    given = os.environ.get(VISIBLE)
    if given is None:
        return _ask_driver()
    names = [name.strip() for name in given.split(",")]
    # As CUDA reads it: an entry that names none ends the list, such as -1.
    end = next((place for place, name in enumerate(names) if not name or name.startswith("-")), len(names))
    return names[:end]


def _ask_driver() -> list[str]:
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
