"""Budgets: what is left, and what a refusal says."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from nightloom.core.errors import InputError
from nightloom.core.nights import utc_now
from nightloom.recipes.training import Budget
from nightloom.registry.database import Database
from nightloom.registry.trials import TrialProgress
from nightloom.trials import attempts as runs
from nightloom.trials import heartbeat as telling
from nightloom.trials.attempts import Run
from nightloom.trials.budget import Purse
from nightloom.trials.heartbeat import Telling
from nightloom.trials.lock import Turn

NOW = utc_now()
OTHER = TrialProgress("other", 5, 10, "cpu", 60.0, None, NOW, NOW, None)
PRICES = {"NVIDIA": 2.0, "NVIDIA H100": 4.0, "cpu": 0.5}


def test_minutes_are_counted_over_all_trials() -> None:
    purse = Purse(Budget(gpu_minutes=5), "cpu", {})
    assert purse.left(30) == 270
    purse.note_others([OTHER, replace(OTHER, seconds=90)])
    assert purse.left(30) == 120


def test_money_is_counted_by_the_device_of_each() -> None:
    purse = Purse(Budget(cost=3), "NVIDIA H100 80GB HBM3", PRICES)
    purse.note_others([replace(OTHER, device="NVIDIA L4", seconds=1800)])  # 1 of 3
    assert purse.left(900) == pytest.approx(900)  # 1 spent here, 1 left


def test_smaller_of_both_limits_holds() -> None:
    assert Purse(Budget(gpu_minutes=5, cost=1), "cpu", {"cpu": 60}).left(0) == 60
    assert Purse(Budget(gpu_minutes=1, cost=9), "cpu", {"cpu": 60}).left(0) == 60


def test_what_costs_nothing_takes_as_long_as_it_likes() -> None:
    assert Purse(Budget(cost=1), "cpu", {"cpu": 0}).left(9e9) == math.inf
    assert Purse(Budget(cost=1, gpu_minutes=1), "cpu", {"cpu": 0}).left(0) == 60


def test_money_without_a_price_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"'NVIDIA A100' has no price; set NIGHTLOOM_PRICES .* '\{\"NVIDIA A100\": 2.5\}'"
    ):
        Purse(Budget(cost=3), "NVIDIA A100", {"cpu": 1})


def test_minutes_need_no_price() -> None:
    assert Purse(Budget(gpu_minutes=5), "NVIDIA A100", {}).left(0) == 300


def test_refusal_says_what_was_spent_and_what_to_raise() -> None:
    purse = Purse(Budget(gpu_minutes=2, cost=0.5), "cpu", PRICES)
    purse.note_others([OTHER])
    told = str(purse.refusal(57))
    assert "1.95 of 2 minutes (train.budget.gpu_minutes)" in told
    assert "0.0163 of 0.5 in money (train.budget.cost)" in told
    assert "raise it, and training goes on" in told


def test_each_process_has_a_device_whose_time_counts(registry: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    now = [0.0]
    monkeypatch.setattr(telling, "time", SimpleNamespace(monotonic=lambda: now[0]))
    begun = replace(OTHER, trial="own", seconds=100.0)
    told = Telling(registry, Turn(registry, "own"), begun, 0.0, lambda: None)
    now[0] = 10
    assert told.seconds() == 140
    # 60 of 200 seconds are left, 15 of each device: enough for a step of 1 s and what is left free, not of 7.
    checkpoints: Any = SimpleNamespace(is_due=lambda: False, seconds=0.0)
    run = Run(told, checkpoints, Purse(Budget(gpu_minutes=200 / 60), "cpu", {}))
    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: now[0]))
    run.tell(0, 9, {})
    due = {}
    for now[0] in (11, 18):
        due[now[0]] = run.is_due()
    assert due == {11: False, 18: True}


def test_loading_the_model_is_no_step_that_budget_must_be_left_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: now[0]))
    told: Any = SimpleNamespace(note=lambda *_: None, lost=None, seconds=lambda: now[0], devices=1)
    checkpoints: Any = SimpleNamespace(is_due=lambda: False, seconds=0.0)
    run = Run(told, checkpoints, Purse(Budget(gpu_minutes=10), "cpu", {}))
    now[0] = 300
    run.tell(0, 9, {})
    due = {}
    for now[0] in (310, 560, 580):  # a step took 10 s, and then 250 s
        due[now[0]] = run.is_due()
    assert due == {310: False, 560: True, 580: True}
