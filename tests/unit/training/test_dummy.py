"""The dummy trainer: instant, deterministic, and with trials that differ."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nightloom.artifacts.blueprints import Blueprint, TrialPlan
from nightloom.artifacts.training import HeldOutLoss
from nightloom.base_models.freeze import freeze_base
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.recipes.training import Pruning
from nightloom.training.base import Training, TrainingControl
from nightloom.training.dummy import train_dummy
from nightloom.trials.train import run_trial, train_to_rung, train_trial

WORDS = {"billing": ("invoice", "refund"), "login": ("password", "account")}
ROWS = [(f"my {words[n % 2]} number{n}", team) for n in range(20) for team, words in WORDS.items()]

Train = Callable[..., Training | HeldOutLoss]


def plan(seed: int = 1, **settings: Any) -> TrialPlan:
    return TrialPlan(trainer="dummy", method="lora", lora={}, settings=settings, seed=seed)


@pytest.fixture
def train(store: ObjectStore, plan_trials: Callable[..., str], tmp_path: Path) -> Train:
    blueprint = plan_trials(freeze_base(store, "dummy"), (plan(),), selection=8, rows=ROWS)
    spec = store.load(Blueprint, blueprint).content
    return lambda plan, halt=None: train_dummy(store, spec, plan, tmp_path, TrainingControl(halt=halt))


def test_dummy_learns_all_examples(train: Train) -> None:
    training = train(plan())
    assert isinstance(training, Training)
    (held_out,) = training.held_out
    assert (training.steps, held_out.step, held_out.loss, held_out.n) == (32, 32, 0.0, 8)
    assert held_out.low == 0.0 < held_out.high < 0.4


def test_halted_training_writes_nothing(train: Train, tmp_path: Path) -> None:
    losses = [train(plan(), halt) for halt in (0.05, 0.5)]
    assert [(held_out.step, held_out.loss) for held_out in losses if isinstance(held_out, HeldOutLoss)] == [
        (2, 0.5),
        (16, 0.0),
    ]
    assert not (tmp_path / "dummy.json").exists()


def test_sample_follows_the_seed(train: Train, tmp_path: Path) -> None:
    votes = []
    for seed in (1, 2, 1):
        training = train(plan(seed, sample=0.5))
        assert isinstance(training, Training)
        assert training.examples == 16
        votes.append((tmp_path / "dummy.json").read_bytes())
    assert votes[0] == votes[2] != votes[1]


def test_rare_words_have_no_vote(train: Train, tmp_path: Path) -> None:
    train(plan(min_votes=2))
    votes = json.loads((tmp_path / "dummy.json").read_text())
    assert sorted(votes) == ["account", "invoice", "my", "password", "refund"]


@pytest.mark.parametrize(
    "settings", [{"sample": 0}, {"sample": 1.5}, {"sample": "half"}, {"min_votes": 0}, {"min_votes": 1.5}]
)
def test_wrong_setting_is_named(train: Train, settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"train.settings.{next(iter(settings))} is .*; write a (share|whole number)"):
        train(plan(**settings))


def test_rung_is_reached_once(store: ObjectStore, plan_trials: Callable[..., str]) -> None:
    base, pruning = freeze_base(store, "dummy"), Pruning(rungs=(0.5,))
    blueprint = plan_trials(base, (plan(1), plan(2)), pruning=pruning, selection=8, rows=ROWS)
    rung = train_to_rung(store, blueprint, 1, 0)
    assert (rung.key.share, rung.result.held_out.step) == (0.5, 16)
    assert train_to_rung(store, blueprint, 1, 0) == rung
    # Halting on the way changes no weight.
    assert train_trial(store, blueprint, 1).result.examples == 32


def test_rung_needs_selection_rows(store: ObjectStore, plan_trials: Callable[..., str]) -> None:
    blueprint = plan_trials(freeze_base(store, "dummy"), (plan(),), pruning=Pruning(rungs=(0.5,)), selection=0)
    with pytest.raises(InputError, match="has no selection rows to rank trials by"):
        train_to_rung(store, blueprint, 0, 0)


def test_child_trains_to_rung_or_end(
    store: ObjectStore, plan_trials: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightloom.trials.train.open_store", lambda: store)
    blueprint = plan_trials(freeze_base(store, "dummy"), (plan(),), pruning=Pruning(rungs=(0.5,)))
    assert run_trial(blueprint, 0, rung=0) == train_to_rung(store, blueprint, 0, 0).id
    assert run_trial(blueprint, 0) == train_trial(store, blueprint, 0).id
