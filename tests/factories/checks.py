"""Checks of a recipe with only these fields."""

from typing import Any

from nightloom.artifacts.models import Checks
from nightloom.recipes.preparation import Prepare
from nightloom.recipes.sources import FilesSource
from nightloom.scanners import registry


def make_checks(**settings: Any) -> Checks:
    """Return the checks of a recipe with these fields under `prepare`."""
    return registry.make_checks(Prepare(source=FilesSource(kind="files", path="/rows.csv"), **settings))
