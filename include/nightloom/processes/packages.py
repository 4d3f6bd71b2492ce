"""Packages of the interpreter for training and generation, which may differ from this one."""

import sys
from functools import cache

from nightloom.core.packages import installed_packages
from nightloom.core.settings import get_settings
from nightloom.processes.parent import in_child


@cache
def worker_packages() -> dict[str, str]:
    """Return the version of every package of the interpreter for training and generation."""
    if str(get_settings().worker_python) == sys.executable:
        return installed_packages()
    return in_child(installed_packages)()
