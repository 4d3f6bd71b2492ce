"""The training of a night: diverged trials, and processes that restart."""

from collections.abc import Callable
from typing import Any

import pytest
from nightloom.artifacts.blueprints import Blueprint
from nightloom.blueprints.compile import compile_recipe
from nightloom.blueprints.planner import plan_blueprint
from nightloom.core.errors import DivergenceError, OutOfBatchMemoryError
from nightloom.nightly import finetune
from nightloom.nightly.blueprint_run import run_blueprint
from nightloom.nightly.chain import run_steps
from nightloom.recipes.check import load_recipe
from nightloom.registry.nights import read_outcome
from nightloom.reports.night import NightManifests
from nightloom.reports.sections import trials as trials_section
from nightloom.training.dummy import train_dummy
from nightloom.trials import train as trials

from tests.factories.nights import NIGHT, ROWS, PreparedNight

TRIALS = "{over: {settings.min_votes: [1, 2, 3]}, pruning: {rungs: [0.5], keep: 0.5}}"
SELECTION = [("selection", text, team) for _, text, team in ROWS]


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Number of votes → reason why such trials diverge; the others train as the dummy does."""
    reasons: dict[int, str] = {}

    def train(store: Any, blueprint: Any, plan: Any, folder: Any, course: Any) -> Any:
        if reason := reasons.get(plan.settings.get("min_votes", 1)):
            raise DivergenceError(reason)
        return train_dummy(store, blueprint, plan, folder, course)

    monkeypatch.setattr(trials, "TRAINERS", {"dummy": train})
    return reasons


@pytest.fixture
def blueprint(prepared: PreparedNight) -> Blueprint:
    """Three trials on rows with a selection split."""
    prepared.prepare(NIGHT, [*ROWS, *SELECTION])
    prepared.change_recipe("base: dummy}", f"base: dummy, trials: {TRIALS}}}")
    compiled = compile_recipe(prepared.store, prepared.registry, load_recipe("triage"), NIGHT)
    assert isinstance(compiled, Blueprint)
    return compiled


def run(steps: list[str] | None = None) -> None:
    steps = [] if steps is None else steps
    run_steps("finetune", "triage", str(NIGHT), lambda _, step: steps.append(step))


def test_diverged_trials_are_dropped(prepared: PreparedNight, blueprint: Blueprint, diverging: dict[int, str]) -> None:
    diverging |= {1: "training diverged by step 2 (loss nan); lower it", 3: "training diverged by step 4 (loss inf)"}
    steps: list[str] = []
    run(steps)
    outcome = read_outcome(prepared.registry, "triage", NIGHT, "finetune")
    assert outcome
    assert outcome.status == "done"
    assert [step for step in steps if step.startswith("train_trial")] == [
        *(f"train_trial {number} to rung 1" for number in range(3)),
        "train_trial 1",
    ]

    facts = trials_section.read(
        NightManifests(prepared.store, prepared.registry, load_recipe("triage"), NIGHT, prices={})
    )
    assert facts
    assert facts.winner == 1
    assert [(each.trial, each.diverged, each.pruned_at) for each in facts.trials] == [
        (1, None, None),
        *((number, diverging[number + 1], None) for number in (0, 2)),
    ]
    view = trials_section.view(facts)
    assert [label for _, label in view["lines"]] == ["the candidate", "diverged", "diverged"]
    best, divergence = view["notes"]
    assert "was the only one" in best
    assert divergence == "2 of 3 trials diverged. Trial 0: training diverged by step 2 (loss nan); lower it."

    planned = plan_blueprint(prepared.store, prepared.registry, blueprint.id).items
    assert [(step.status, step.reason) for step in planned if step.name == "trial 0 to 50% of its steps"] == [
        ("exists", "diverged")
    ]


def test_diverged_trial_is_not_retrained(blueprint: Blueprint, diverging: dict[int, str]) -> None:
    diverging[1] = "training diverged by step 2"
    first = finetune.train_trial("triage", str(NIGHT), blueprint.id, 0, rung=0)
    diverging.clear()
    assert finetune.train_trial("triage", str(NIGHT), blueprint.id, 0, rung=0) == first


def test_diverged_manual_trial_is_an_error(
    prepared: PreparedNight, blueprint: Blueprint, diverging: dict[int, str]
) -> None:
    diverging[1] = "training diverged by step 2"
    with pytest.raises(DivergenceError, match="training diverged by step 2"):
        run_blueprint(prepared.store, blueprint.id, lambda *_: None, 0)


def test_night_fails_if_all_trials_diverge(
    prepared: PreparedNight, blueprint: Blueprint, diverging: dict[int, str]
) -> None:
    diverging |= dict.fromkeys((1, 2, 3), "training diverged by step 2")
    with pytest.raises(DivergenceError):
        run()
    outcome = read_outcome(prepared.registry, "triage", NIGHT, "finetune")
    assert outcome
    assert (outcome.status, outcome.message) == (
        "failed",
        "all 3 trials diverged before rung 1; trial 0: training diverged by step 2",
    )


def test_single_diverged_trial_fails(prepared: PreparedNight, diverging: dict[int, str]) -> None:
    diverging[1] = "training diverged by step 2"
    with pytest.raises(DivergenceError, match="training diverged by step 2"):
        run()
    diverging.clear()
    run()  # not recorded: a single trial may be tried again


def test_processes_restart_together_with_half_batch(blueprint: Blueprint, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    on_device = finetune.on_device

    def run_out(function: Callable[..., str], **_: int) -> Callable[..., str]:
        def train(*, halvings: int, **given: Any) -> str:
            tried.append(halvings)
            if halvings < 2:
                msg = "the memory of cpu did not suffice at step 3"
                raise OutOfBatchMemoryError(msg)
            return on_device(function)(halvings=halvings, **given)

        return train

    monkeypatch.setattr(finetune, "on_device", run_out)
    assert finetune.train_trial("triage", str(NIGHT), blueprint.id, 0, rung=0)
    assert tried == [0, 1, 2]


def test_blueprint_is_read_twice_at_most(prepared: PreparedNight, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read, get_object = [], s3.get_object

    def count(**where: str) -> Any:
        read.append(where["Key"])
        return get_object(**where)

    monkeypatch.setattr(s3, "get_object", count)
    run_steps("finetune", "triage", str(NIGHT), lambda *_: None)
    assert sum("manifests/blueprint/" in key for key in read) <= 2
