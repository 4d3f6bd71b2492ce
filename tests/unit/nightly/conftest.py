"""An installation in a folder, whose store is in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.nightly import prepare, report
from nightloom.registry.database import Database, open_database


@pytest.fixture
def folder(tmp_path: Path, store: ObjectStore, registry: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation without a recipe, whose store is in memory; its eval set is sound."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "prompts" / "triage").mkdir(parents=True)
    (tmp_path / "prompts" / "triage" / "1.yaml").write_text("messages: [{role: user, content: '{{ text }}'}]")
    (tmp_path / "gold.csv").write_text("body,team\nwhat do I owe,billing\nwhere is it,shipping\n")
    settings = {
        "VAR_DIR": tmp_path / "var",
        "RECIPES_DIR": tmp_path / "recipes",
        "PROMPTS_DIR": tmp_path / "prompts",
        "REGISTRY_URL": f"sqlite:///{tmp_path / 'registry.db'}",
        "CONN_TICKETS": f"sqlite:///{tmp_path / 'tickets.db'}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"NIGHTLOOM_{name}", str(value))
    for module in (prepare, report):
        monkeypatch.setattr(module, "open_store", lambda: store)
    for cached in (get_settings, open_database):
        cached.cache_clear()
    yield tmp_path
    open_database().close()
    for cached in (get_settings, open_database):
        cached.cache_clear()
