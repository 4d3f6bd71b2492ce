"""The example's ticket system is filled where its recipe is scheduled."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from nightloom.core.settings import PROJECT_ROOT, get_settings
from nightloom.embedded.instance import example_url, open_instance, write_environment
from nightloom.embedded.nightly import feed_new_example
from nightloom.recipes.check import load_recipes


def test_new_installation_has_the_examples_tickets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path))
    get_settings.cache_clear()
    instance = open_instance(tmp_path, keep_ports=True)
    write_environment(instance, {})
    recipes, broken = load_recipes(PROJECT_ROOT / "include" / "recipes")
    assert not broken
    feed_new_example(instance, [recipes["banking77"]])
    assert not (tmp_path / "example" / "tickets.db").exists()
    feed_new_example(instance, recipes.values())
    with sa.create_engine(example_url(instance), poolclass=sa.NullPool).connect() as connection:
        before = connection.scalar(sa.text("SELECT count(*) FROM ticket_history"))
    assert before
    get_settings.cache_clear()
