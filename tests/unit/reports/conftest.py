"""Nights up to the stage that a test chooses."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from nightloom.artifacts.results import Report
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database
from nightloom.reports.write import write_report

from tests.factories.report_nights import NIGHT, PLANS, RECIPE, Nights


@pytest.fixture
def recipe() -> Recipe:
    return RECIPE


@pytest.fixture
def night() -> date:
    return NIGHT


@pytest.fixture
def nights(store: ObjectStore, registry: Database) -> Nights:
    return Nights(store, registry)


@pytest.fixture
def full(nights: Nights, night: date) -> Nights:
    """A promoted night of eight trials, after a night of one trial that promoted the first champion."""
    for each, plans in ((night - timedelta(days=1), PLANS[:1]), (night, PLANS)):
        nights.prepare(each)
        nights.finetune(each, plans=plans)
        nights.predict(each)
    return nights


@pytest.fixture
def write(store: ObjectStore, registry: Database, recipe: Recipe, night: date) -> Callable[[], Report]:
    """Write the report of the night."""
    return lambda: write_report(store, registry, recipe, night=night)


@pytest.fixture(autouse=True)
def var_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Use another var folder for each test."""
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path / "var"))
    get_settings.cache_clear()
    yield tmp_path / "var"
    get_settings.cache_clear()
