"""Expectations: results of the suites on the night's rows."""

from pathlib import Path

from nightloom.artifacts.data import Expectation
from nightloom.core.manifests import Plain
from nightloom.reports.night import NightManifests
from nightloom.reports.sections.base import Section


class Facts(Plain):
    """The results of the expectations."""

    expectations: tuple[Expectation, ...]


def read(night: NightManifests) -> Facts | None:
    """Return the expectations that were checked, or None if none was."""
    checked = night.rows.content.expectations if night.rows else ()
    return Facts(expectations=checked) if checked else None


SECTION = Section(Path(__file__), "Expectations", Facts, read)
