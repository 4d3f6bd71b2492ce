"""The two example recipes: whole nights with real training, few rows, and a base model too small to learn."""

import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from nightloom.artifacts.models import Adapter
from nightloom.artifacts.results import Parity, Report, Verdict
from nightloom.base_models.starter import StarterSettings, pretrain_starter
from nightloom.core.env_file import PROJECT_ROOT
from nightloom.core.nights import night_of, utc_now
from nightloom.examples.support_triage.feed import feed
from nightloom.nightly.chain import run_night
from nightloom.registry.nights import StageOutcome
from nightloom.registry.store import open_store

from .conftest import steps_in_this_process

pytestmark = [pytest.mark.torch, pytest.mark.timeout(300)]

PointSettings = Callable[..., AbstractContextManager[None]]

INTENTS = ("card_arrival", "lost_card", "exchange_rate", "top_up_failed", "refund_not_showing_up", "pin_blocked")
ROLES = {"baseline", "candidate", "linear_classifier"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model of some thirty thousand weights."""
    folder = tmp_path_factory.mktemp("base")
    settings = StarterSettings(
        vocabulary=300, hidden=32, layers=1, heads=2, inner=64, context=1024, steps=3, rows=2, row_tokens=32
    )
    pretrain_starter(settings, folder, report=lambda _: None)
    return folder


def write_small_recipe(name: str, folder: Path, base: Path, **prepare: Any) -> None:
    recipe = yaml.safe_load((PROJECT_ROOT / "include" / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))
    recipe["train"] |= {"base": str(base), "settings": {**recipe["train"]["settings"], "max_steps": 2}}
    recipe["prepare"] |= prepare
    # The longest right answer has this many tokens, with so small a vocabulary.
    recipe["evaluate"]["max_new_tokens"] = 86
    (folder / "recipes").mkdir()
    (folder / "recipes" / f"{name}.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")


def run(name: str) -> dict[str, StageOutcome]:
    failures: list[Exception] = []
    outcomes = {outcome.stage: outcome for outcome in run_night(name, None, lambda *_: None, failures.append)}
    assert failures == []
    return outcomes


def write_queries(path: Path, count: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "category"])
        for number in range(count):
            intent = INTENTS[number % len(INTENTS)]
            marks = " ".join(f"{path.stem}{number * factor % 9973}" for factor in (7919, 4793, 6287))
            writer.writerow([f"{intent.replace('_', ' ')} {marks}", intent])


@pytest.fixture
def triage_night(point_settings: PointSettings, tmp_path: Path, base: Path) -> Iterator[dict[str, StageOutcome]]:
    """A night of `support_triage` on ten days of tickets, with training in a separate process."""
    today = night_of(utc_now(), "UTC")
    feed(f"sqlite:///{tmp_path / 'tickets.db'}", seed=7, first_day=today - timedelta(days=10), last_day=today)
    write_small_recipe("support_triage", tmp_path, base)
    settings = {"STORE_PREFIX": "small-triage/", "RECIPES_DIR": str(tmp_path / "recipes")}
    with steps_in_this_process(but="trials.train:run_trial"), point_settings(tmp_path, **settings):
        yield run("support_triage")


@pytest.fixture
def banking_night(point_settings: PointSettings, tmp_path: Path, base: Path) -> Iterator[dict[str, StageOutcome]]:
    """A night of `banking77` on some generated queries of six intents, without child processes."""
    for name, count in {"train": 120, "test": 30}.items():
        write_queries(tmp_path / f"{name}.csv", count)
    write_small_recipe("banking77", tmp_path, base, min_rows=100)
    settings = {"RECIPES_DIR": str(tmp_path / "recipes"), "DATA_DIR": str(tmp_path)}
    with steps_in_this_process(), point_settings(tmp_path, STORE_PREFIX="small-banking/", **settings):
        yield run("banking77")


def check_night(outcomes: dict[str, StageOutcome], rows: int) -> None:
    assert (outcomes["prepare"].status, outcomes["finetune"].status) == ("done", "done")
    store = open_store()
    verdict = store.load(Verdict, str(outcomes["finetune"].manifest)).content
    assert {scores.role for scores in verdict.scores} == ROLES
    assert {metric.n for scores in verdict.scores for metric in scores.metrics if metric.slice is None} == {rows}
    assert not verdict.promote
    parity = store.load(Parity, str(verdict.parity))
    assert (parity.result.checks[0].n, parity.mismatch) == (32, None)
    assert store.load(Adapter, verdict.candidate).provenance.blueprint
    page = store.get_blob(store.load(Report, str(outcomes["report"].manifest)).provenance.html).decode()
    assert "linear classifier" in page.lower()
    # Nothing was promoted: the model has learned nothing in two steps, and the night says so.
    assert outcomes["predict"].status == "nothing_new"


def test_support_triage_runs_completely(triage_night: dict[str, StageOutcome]) -> None:
    check_night(triage_night, rows=640)


def test_banking77_runs_completely(banking_night: dict[str, StageOutcome]) -> None:
    check_night(banking_night, rows=30)
