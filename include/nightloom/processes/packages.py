"""Packages of the interpreter that trains and generates, which may be another one than this."""

import sys
from functools import cache

from nightloom.core.packages import installed_packages
from nightloom.core.settings import get_settings
from nightloom.processes.parent import in_child


@cache
def worker_packages() -> dict[str, str]:
    """Return the version of every package of the interpreter that trains and generates, which may be another one."""
    if str(get_settings().worker_python) == sys.executable:
        return installed_packages()
    return in_child(installed_packages)()
