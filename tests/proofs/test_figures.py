"""Proofs of the example recipes: what the small model learns, and what every check catches, on unseen seeds."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from nightloom.artifacts.data import Preparation
from nightloom.artifacts.results import Metric, Verdict
from nightloom.core.nights import night_of, utc_now
from nightloom.examples.support_triage.feed import feed
from nightloom.nightly.chain import run_night
from nightloom.registry.nights import StageOutcome
from nightloom.registry.store import open_store

pytestmark = pytest.mark.proof

DATA = os.environ.get("NIGHTLOOM_TEST_DATA")


def run(recipe: str) -> dict[str, StageOutcome]:
    return {outcome.stage: outcome for outcome in run_night(recipe, None, lambda *_: None)}


def read_metrics(verdict: Verdict, role: str) -> dict[tuple[str, str | None], Metric]:
    scores = next(scores for scores in verdict.content.scores if scores.role == role)
    return {(metric.name, metric.slice): metric for metric in scores.metrics}


def show(name: str, metrics: dict[tuple[str, str | None], Metric]) -> None:
    for (field, part), metric in metrics.items():
        print(f"{name} {field} {part or 'all'}: {metric.value} [{metric.low:.3f}, {metric.high:.3f}] n={metric.n}")  # noqa: T201  # the proof's table


@pytest.fixture(scope="module", params=[1001, 1002, 1003], ids="seed {}".format)
def triage_night(
    request: pytest.FixtureRequest, point_settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, StageOutcome]]:
    """A night of `support_triage` on tickets of a held-out seed."""
    folder: Path = tmp_path_factory.mktemp("triage")
    today = night_of(utc_now(), "UTC")
    url = f"sqlite:///{folder / 'tickets.db'}"
    feed(url, seed=request.param, first_day=today - timedelta(days=45), last_day=today)
    # A store's prefix belongs to one registry, and each seed has its own.
    with point_settings(folder, STORE_PREFIX=f"{folder.name}/"):
        yield run("support_triage")


def test_support_triage_learns_its_grammar(triage_night: dict[str, StageOutcome]) -> None:
    verdict = open_store().load(Verdict, str(triage_night["finetune"].manifest))
    baseline, candidate = (read_metrics(verdict, role) for role in ("baseline", "candidate"))
    show("baseline", baseline)
    show("candidate", candidate)
    show("linear classifier", read_metrics(verdict, "linear_classifier"))
    assert candidate["team", None].n >= 500
    assert baseline["team", None].value <= 0.25
    assert candidate["team", None].value >= 0.85
    assert candidate["urgency", None].value >= 0.90
    assert candidate["valid", None].value >= 0.98
    assert {("team", "seen"), ("team", "unseen")} <= set(candidate)


def test_planted_faults_get_expected_outcome(triage_night: dict[str, StageOutcome]) -> None:
    prepared = open_store().load(Preparation, str(triage_night["prepare"].manifest)).content
    for row in prepared.planted:
        print(row.kind, row.outcome, row.rule, f"{row.as_expected}/{row.planted}")  # noqa: T201  # likewise
    print("clean rows touched", prepared.other_rows_changed, "of", prepared.other_rows)  # noqa: T201  # likewise
    assert len(prepared.planted) == 10
    missed = [c for c in prepared.planted if c.kind != "wrong_label" and c.as_expected < 0.99 * c.planted]
    assert missed == []
    assert prepared.other_rows_changed <= 0.005 * prepared.other_rows


@pytest.mark.skipif(DATA is None, reason="NIGHTLOOM_TEST_DATA names no folder of test data")
def test_banking77_reaches_its_accuracy(point_settings, tmp_path: Path) -> None:
    with point_settings(tmp_path, DATA_DIR=f"{DATA}/banking77", STORE_PREFIX="banking77/"):
        verdict = open_store().load(Verdict, str(run("banking77")["finetune"].manifest))
        candidate = read_metrics(verdict, "candidate")
        show("candidate", candidate)
        show("linear classifier", read_metrics(verdict, "linear_classifier"))
    assert candidate["intent", None].value >= 0.80
