"""Extensions: additions by other packages, found by name through entry points."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from nightloom.core.errors import InputError

SCANNERS = "nightloom.scanners"
"""Entry point group of scanners: instances of `nightloom.scanners.base.Scanner`."""

SOURCES = "nightloom.sources"
"""Entry point group of source kinds: functions of the Protocol `nightloom.sources.base.Reader`."""

SCORERS = "nightloom.scorers"
"""Entry point group of scorers: objects of the Protocol `nightloom.evaluation.scorers.Scorer`."""

REPORT_SECTIONS = "nightloom.report_sections"
"""Entry point group of report sections: instances of `nightloom.reports.sections.base.Section`."""


def list_extensions(group: str) -> list[str]:
    """Return the names that installed packages register in a group."""
    return sorted(_find(group))


def load_extension(group: str, name: str) -> Any:
    """Import the extension registered under a name.

    Raises:
        InputError: There is none, or its import fails.
    """
    found = _find(group).get(name)
    if found is None:
        msg = f"no installed package registers {name!r} in {group}; install it, or check the name"
        raise InputError(msg)
    try:
        return found.load()
    except Exception as error:  # an import runs foreign code, which may fail in any way
        msg = f"{name!r} in {group} cannot be imported from {found.value}: {error}; fix or reinstall its package"
        raise InputError(msg) from error


@cache
def _find(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}
