"""A night without new rows prepares again if the recipe, or what it names, has changed since."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from nightloom.artifacts.fingerprints import CURATION, Fingerprint
from nightloom.core.nights import Stop
from nightloom.core.settings import get_settings
from nightloom.nightly.chain import run_night
from nightloom.nightly.prepare import extract_records, open_night
from nightloom.registry.nights import StageOutcome
from nightloom.validation.suites import load_suite

from .conftest import NO_LIMITS, Installation, back, harmed

pytestmark = pytest.mark.usefixtures("children_in_this_process")

NOTHING_NEW = "the source has no new rows; the latest snapshot and champion stay"
SECTIONS = {
    "labels": ("[billing, shipping, account]", "[billing, shipping, account, legal]"),
    "another answer": ("  primary: team", "    spare: {column: id}\n  primary: team"),
    "column of the text": ("text: body}\n  answer", "text: team}\n  answer"),
    "slices": ("text: body}\n  answer", "text: body, slice: team}\n  answer"),
    "window": ("prepare:\n", "prepare:\n  window_days: 20\n"),
    "fewer rows": ("WHERE team IS NOT NULL AND", "WHERE team IN ('billing', 'shipping') AND"),
    "cleaning": ("prepare:\n", "prepare:\n  normalise: {html: true}\n"),
    "scanner": ("prepare:\n", "prepare:\n  pii: keep\n"),
    "split": ("prepare:\n", "prepare:\n  split: {test: 0.2}\n"),
    "limit": ("prepare:\n", "prepare:\n  min_rows: 2\n"),
    "training": ("base: dummy}", "base: dummy, seed: 3}"),
    "gate": ("predict:\n", "gate: {margin: 0.05}\npredict:\n"),
    "evaluation": ("linear_classifier: false", "linear_classifier: false\n  max_new_tokens: 32"),
    "time zone": ("owner:", "timezone: Europe/Berlin\nowner:"),
}
OTHERS = {
    "owner": ("owner: support-platform", "owner: support"),
    "description": ("owner:", "description: routes tickets\nowner:"),
    "deadline": ("owner:", "deadline: '08:00'\nowner:"),
    "batch": ("shard_rows: 10", "shard_rows: 20"),
    "default": ("prepare:\n", "prepare:\n  window_days: 30\n"),
}


@pytest.fixture
def unchanged(champion_installation: Installation) -> Iterator[Installation]:
    """An installation whose source has no new rows since its last prepared night."""
    with harmed(champion_installation, "no new rows"):
        yield champion_installation


def extract() -> str | None:
    """Return the message of a night that stops, or None for one that continues."""
    made = extract_records("triage", open_night("triage", back(4)))
    return made.message if isinstance(made, Stop) else None


@pytest.mark.parametrize("change", SECTIONS.values(), ids=SECTIONS)
def test_changed_recipe_prepares_again(unchanged: Installation, change: tuple[str, str]) -> None:
    assert extract() == NOTHING_NEW
    unchanged.change_recipe(*change)
    assert extract() is None


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_other_settings_change_nothing(unchanged: Installation, change: tuple[str, str]) -> None:
    unchanged.change_recipe(*change)
    assert extract() == NOTHING_NEW


def test_changed_eval_item_prepares_again(unchanged: Installation) -> None:
    unchanged.execute("INSERT INTO gold VALUES ('gold-new', 'a question about an invoice', 'billing')")
    assert extract() is None


@pytest.mark.usefixtures("unchanged")
def test_changed_suite_prepares_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = {"type": "expect_column_to_exist", "kwargs": {"column": "text"}}
    changed = {"expectations": [*load_suite("records", tmp_path).expectations, added]}
    (tmp_path / "records.json").write_text(json.dumps(changed), encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setenv("NIGHTLOOM_EXPECTATIONS_DIR", str(tmp_path))
        get_settings.cache_clear()
        found = extract()
    get_settings.cache_clear()
    assert found is None


@pytest.mark.usefixtures("unchanged")
def test_changed_code_prepares_again(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Fingerprint((*CURATION.modules, "promotion"), CURATION.libraries)
    monkeypatch.setattr("nightloom.nightly.curation_inputs.CURATION", other)
    assert extract() is None


def test_changed_query_reaches_the_snapshot(installation: Installation) -> None:
    def run(night: str) -> dict[str, StageOutcome]:
        return {outcome.stage: outcome for outcome in run_night("triage", night, lambda *_: None)}

    installation.execute("DELETE FROM tickets WHERE id LIKE '1-%'")
    first = run(back(1))
    installation.change_recipe("prepare:\n", f"prepare:\n{NO_LIMITS}")
    installation.change_recipe(*SECTIONS["fewer rows"])
    second = run(back(0))
    assert (second["prepare"].status, second["finetune"].status) == ("done", "done")
    assert first["prepare"].message.startswith("60 rows in, ")
    assert second["prepare"].message.startswith("40 rows in, ")
    # The change was prepared once: the same recipe has nothing new the next time.
    assert run(back(0))["prepare"].manifest == second["prepare"].manifest
