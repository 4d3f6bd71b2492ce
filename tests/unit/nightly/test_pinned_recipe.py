"""A night keeps the recipe that it began with."""

import logging

import pytest
from nightloom.blueprints.sampling import sample_trials
from nightloom.nightly import prepare
from nightloom.nightly.context import load_night
from nightloom.recipes.check import load_recipe
from nightloom.registry.database import open_database
from nightloom.registry.nights import read_pinned_recipe

from tests.factories.nights import NIGHT, PreparedNight


def begin(prepared: PreparedNight) -> None:
    prepare.open_night("triage", str(NIGHT))


def test_unchanged_recipe_logs_nothing(prepared: PreparedNight, caplog: pytest.LogCaptureFixture) -> None:
    begin(prepared)
    assert load_night("triage", NIGHT).recipe.owner == "support"
    assert caplog.messages == [one for one in caplog.messages if "has changed" not in one]


def test_changed_recipe_waits_for_next_run(prepared: PreparedNight, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    begin(prepared)
    text = prepared.recipe_file.read_text(encoding="utf-8")
    prepared.recipe_file.write_text(text.replace("owner: support", "owner: sales"), encoding="utf-8")
    assert load_night("triage", NIGHT).recipe.owner == "support"
    assert "still used by night 2026-11-23; its file has changed since to recipe" in caplog.text
    begin(prepared)
    assert load_night("triage", NIGHT).recipe.owner == "sales"


def test_broken_recipe_does_not_stop_the_night(prepared: PreparedNight, caplog: pytest.LogCaptureFixture) -> None:
    begin(prepared)
    prepared.recipe_file.write_text("name: [", encoding="utf-8")
    assert load_night("triage", NIGHT).recipe.owner == "support"
    assert "still used by night 2026-11-23; its file is broken" in caplog.text


def test_pinned_recipe_is_canonical(prepared: PreparedNight) -> None:
    begin(prepared)
    first = read_pinned_recipe(open_database(), "triage", NIGHT)
    text = prepared.recipe_file.read_text(encoding="utf-8")
    prepared.recipe_file.write_text(f"# a comment\n{text}", encoding="utf-8")
    begin(prepared)
    assert read_pinned_recipe(open_database(), "triage", NIGHT) == first


def test_pinned_recipe_keeps_the_order_of_names(prepared: PreparedNight) -> None:
    fields = "{zone: {column: zone}, team: {column: team, one_of: [billing, shipping]}, area: {column: area}}"
    prepared.change_recipe("{team: {column: team, one_of: [billing, shipping]}}", fields)
    prepared.change_recipe(
        "base: dummy}", "base: dummy, trials: {over: {settings.weight_decay: [0, 1], lora.r: [2, 4]}}}"
    )
    begin(prepared)
    pinned, file = load_night("triage", NIGHT).recipe, load_recipe("triage")
    assert list(pinned.task.answer) == ["zone", "team", "area"]
    assert sample_trials(pinned.train) == sample_trials(file.train)
