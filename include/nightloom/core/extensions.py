"""Extensions: what other packages add to Nightloom, found by name through their entry points."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from nightloom.core.errors import InputError

SCANNERS = "nightloom.scanners"
"""Scanners: each a value of the class `nightloom.scanners.base.Scanner`."""

SOURCES = "nightloom.sources"
"""Kinds of sources: each a function of the Protocol `nightloom.sources.base.Reader`."""

SCORERS = "nightloom.scorers"
"""Scorers: each an object of the Protocol `nightloom.evaluation.scorers.Scorer`."""

REPORT_SECTIONS = "nightloom.report_sections"
"""Sections of the report: each a `nightloom.reports.sections.base.Section`."""


def list_extensions(group: str) -> list[str]:
    """Return the names that installed packages register in a group."""
    return sorted(_find(group))


def load_extension(group: str, name: str) -> Any:
    """Import what is registered under a name.

    Raises:
        InputError: Nothing is, or it cannot be imported.
    """
    found = _find(group).get(name)
    if found is None:
        msg = f"no installed package registers {name!r} in {group}; install it, or check the name"
        raise InputError(msg)
    try:
        return found.load()
    except Exception as error:  # importing is running somebody's program: it may fail in any way
        msg = f"{name!r} in {group} cannot be imported from {found.value}: {error}; mend or reinstall its package"
        raise InputError(msg) from error


@cache
def _find(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}
