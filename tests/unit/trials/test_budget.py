"""Budgets: what is left, and the error when one is spent."""

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
from nightloom.trials import attempts, heartbeat
from nightloom.trials.attempts import Attempt
from nightloom.trials.budget import BudgetTracker
from nightloom.trials.heartbeat import Heartbeat
from nightloom.trials.lock import TrialLock

NOW = utc_now()
OTHER = TrialProgress("other", 5, 10, "cpu", 60.0, None, NOW, NOW, None)
PRICES = {"NVIDIA": 2.0, "NVIDIA H100": 4.0, "cpu": 0.5}


def test_minutes_add_up_over_trials() -> None:
    budget = BudgetTracker(Budget(gpu_minutes=5), "cpu", {})
    assert budget.left(30) == 270
    budget.update_others([OTHER, replace(OTHER, seconds=90)])
    assert budget.left(30) == 120


def test_cost_follows_each_device() -> None:
    budget = BudgetTracker(Budget(cost=3), "NVIDIA H100 80GB HBM3", PRICES)
    budget.update_others([replace(OTHER, device="NVIDIA L4", seconds=1800)])  # 1 of 3
    assert budget.left(900) == pytest.approx(900)  # 1 spent here, 1 left


def test_smaller_limit_applies() -> None:
    assert BudgetTracker(Budget(gpu_minutes=5, cost=1), "cpu", {"cpu": 60}).left(0) == 60
    assert BudgetTracker(Budget(gpu_minutes=1, cost=9), "cpu", {"cpu": 60}).left(0) == 60


def test_free_device_has_no_limit() -> None:
    assert BudgetTracker(Budget(cost=1), "cpu", {"cpu": 0}).left(9e9) == math.inf
    assert BudgetTracker(Budget(cost=1, gpu_minutes=1), "cpu", {"cpu": 0}).left(0) == 60


def test_cost_budget_needs_a_price() -> None:
    with pytest.raises(
        InputError, match=r"'NVIDIA A100' has no price; set NIGHTLOOM_PRICES .* '\{\"NVIDIA A100\": 2.5\}'"
    ):
        BudgetTracker(Budget(cost=3), "NVIDIA A100", {"cpu": 1})


def test_minutes_need_no_price() -> None:
    assert BudgetTracker(Budget(gpu_minutes=5), "NVIDIA A100", {}).left(0) == 300


def test_budget_error_names_spending() -> None:
    budget = BudgetTracker(Budget(gpu_minutes=2, cost=0.5), "cpu", PRICES)
    budget.update_others([OTHER])
    message = str(budget.exceeded(57))
    assert "1.95 of 2 minutes (train.budget.gpu_minutes)" in message
    assert "0.0163 of 0.5 in money (train.budget.cost)" in message
    assert "raise it, and training continues" in message


def test_each_process_counts_a_device(registry: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    now = [0.0]
    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=lambda: now[0]))
    begun = replace(OTHER, trial="own", seconds=100.0)
    beat = Heartbeat(registry, TrialLock(registry, "own"), begun, 0.0, lambda: None)
    now[0] = 10
    assert beat.seconds() == 140
    # 60 of 200 seconds are left, 15 for each device: enough for a step of 1 s and the reserve, not of 7 s.
    checkpoints: Any = SimpleNamespace(is_due=lambda: False, seconds=0.0)
    attempt = Attempt(beat, checkpoints, BudgetTracker(Budget(gpu_minutes=200 / 60), "cpu", {}))
    monkeypatch.setattr(attempts, "time", SimpleNamespace(monotonic=lambda: now[0]))
    attempt.on_step(0, 9, {})
    due = {}
    for now[0] in (11, 18):
        due[now[0]] = attempt.is_save_due()
    assert due == {11: False, 18: True}


def test_loading_is_not_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(attempts, "time", SimpleNamespace(monotonic=lambda: now[0]))
    beat: Any = SimpleNamespace(record=lambda *_: None, lost=None, seconds=lambda: now[0], devices=1)
    checkpoints: Any = SimpleNamespace(is_due=lambda: False, seconds=0.0)
    attempt = Attempt(beat, checkpoints, BudgetTracker(Budget(gpu_minutes=10), "cpu", {}))
    now[0] = 300
    attempt.on_step(0, 9, {})
    due = {}
    for now[0] in (310, 560, 580):  # a step took 10 s, and then 250 s
        due[now[0]] = attempt.is_save_due()
    assert due == {310: False, 560: True, 580: True}
