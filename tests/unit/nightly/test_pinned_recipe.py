"""A night goes on by the recipe that it began with."""

import logging

import pytest
from nightloom.nightly import prepare
from nightloom.nightly.context import open_night
from nightloom.registry.database import open_database
from nightloom.registry.nights import read_pinned_recipe

from tests.factories.nights import NIGHT, PreparedNight


def begin(prepared: PreparedNight) -> None:
    prepare.open_night("triage", str(NIGHT))


def test_unchanged_recipe_is_not_mentioned(prepared: PreparedNight, caplog: pytest.LogCaptureFixture) -> None:
    begin(prepared)
    assert open_night("triage", NIGHT).recipe.owner == "support"
    assert caplog.messages == [one for one in caplog.messages if "was changed" not in one]


def test_changed_recipe_waits_for_the_next_run(prepared: PreparedNight, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    begin(prepared)
    text = prepared.recipe_file.read_text(encoding="utf-8")
    prepared.recipe_file.write_text(text.replace("owner: support", "owner: sales"), encoding="utf-8")
    assert open_night("triage", NIGHT).recipe.owner == "support"
    assert "the recipe was changed since night 2026-11-23 began: it goes on by recipe" in caplog.text
    begin(prepared)
    assert open_night("triage", NIGHT).recipe.owner == "sales"


def test_broken_file_does_not_stop_the_night(prepared: PreparedNight, caplog: pytest.LogCaptureFixture) -> None:
    begin(prepared)
    prepared.recipe_file.write_text("name: [", encoding="utf-8")
    assert open_night("triage", NIGHT).recipe.owner == "support"
    assert "goes on by recipe" in caplog.text


def test_pinned_recipe_is_canonical(prepared: PreparedNight) -> None:
    begin(prepared)
    first = read_pinned_recipe(open_database(), "triage", NIGHT)
    text = prepared.recipe_file.read_text(encoding="utf-8")
    prepared.recipe_file.write_text(f"# a comment\n{text}", encoding="utf-8")
    begin(prepared)
    assert read_pinned_recipe(open_database(), "triage", NIGHT) == first
