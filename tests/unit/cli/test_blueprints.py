"""`nightloom blueprint`: output and exit codes."""

from collections.abc import Callable
from typing import Any

import pytest
from nightloom.artifacts.blueprints import Blueprint
from nightloom.core.store import ObjectStore

from .conftest import Command, PastNight

Ask = Callable[..., Any]

DIFFERENT = {
    "likeness": "different",
    "tolerance": 1e-5,
    "reasons": ["adapter_model.safetensors: a is up to 0.1 away"],
    "largest": {"name": "adapter_model.safetensors: a", "absolute": 0.1, "relative": 0.05},
    "tensors": 28,
    "loss": 0.25,
    "seconds": 75.0,
    "device": "cpu",
    "device_before": "NVIDIA H100",
}


def keep_variant(night: PastNight, **fields: Any) -> Blueprint:
    """Store the night's blueprint with other fields."""
    identity = night.blueprint.content.model_copy(update=fields)
    return night.keep(night.blueprint.model_copy(update={"content": identity}))


def test_blueprint_is_shown_with_its_trials(command: Command, night: PastNight) -> None:
    code, out, _ = command("blueprint", "show", night.blueprint.id)
    assert code == 0
    shown = {name: value.strip() for name, _, value in (line.partition("  ") for line in out.splitlines())}
    assert shown["gate"] == "promote on better, margin 0.02, confidence 0.95"
    assert shown["eval set clean"] == "500 items, detects differences from 0.04"
    assert shown["verdict"].startswith("BETTER: ")
    assert shown["training"] == "nothing to do: every trial exists"
    trained = next(line for line in out.splitlines() if line.startswith("0 "))
    assert trained.split()[1:3] == [night.trial.id[:12], night.adapter.id[:12]]


def test_trials_show_differing_settings(command: Command, night: PastNight) -> None:
    (plan,) = night.blueprint.content.trials
    grid = tuple(plan.model_copy(update={"settings": {"learning_rate": rate}}) for rate in (0.001, 0.002))
    _, out, _ = command("blueprint", "show", keep_variant(night, trials=grid).id)
    assert "TRIAL  SETTINGS.LEARNING_RATE  TRAINED  ADAPTER  LOSS  TOOK" in out
    assert "1      0.002                   -        -        -     -" in out


def test_blueprints_are_listed_with_their_verdict(ask: Ask, night: PastNight) -> None:
    (listed,) = ask("blueprint", "list")["blueprints"]
    assert listed == {
        "id": night.blueprint.id,
        "recipe": "triage",
        "night": "2026-11-23",
        "finding": "BETTER",
        "promote": True,
    }


def test_plan_names_every_step(command: Command, ask: Ask, night: PastNight) -> None:
    steps = {step["name"]: step["status"] for step in ask("blueprint", "plan", night.blueprint.id)["steps"]}
    assert steps == {
        "base model": "missing",
        "snapshot": "exists",
        "trial 0": "exists",
        "ranking": "would run",
        "scores of baseline on clean": "would run",
        "scores of candidate on clean": "would run",
        "scores of linear classifier on clean": "would run",
        "verdict": "exists",
    }
    code, out, _ = command("blueprint", "plan", night.blueprint.id)
    assert code == 0
    assert "the blueprint cannot run here, because this installation differs:" in out


def test_plan_of_unknown_recipe_is_refused(command: Command, night: PastNight) -> None:
    code, _, err = command("blueprint", "plan", "triag")
    assert (code, err.startswith("error: no recipe is named 'triag'")) == (2, True)


def test_run_elsewhere_is_refused(command: Command, night: PastNight) -> None:
    code, out, err = command("blueprint", "run", night.blueprint.id)
    assert (code, out) == (2, "")
    assert "cannot run here: the code of training has changed" in err


def test_invalid_blueprint_names_its_differences(command: Command, ask: Ask, night: PastNight) -> None:
    code, out, _ = command("blueprint", "verify", night.blueprint.id)
    assert code == 1
    assert "inputs in the store: damaged; the blueprint cannot be run" in out
    assert "the recipe: has changed since" in out
    document = ask("blueprint", "verify", night.blueprint.id)
    assert document["valid"] is False
    assert any(message.startswith(f"base {'b' * 64} is not in the store") for message in document["store"])
    assert document["recipe"][0].startswith("no recipe is named 'triage'")


def test_replay_shows_weight_differences(command: Command, night: PastNight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightloom.blueprints.replay.on_device", lambda *_, **__: lambda **_: DIFFERENT)
    code, out, err = command("blueprint", "replay", night.blueprint.id)
    assert code == 1
    assert "weights     different" in out
    assert "difference 0.1, 0.05 of its largest element" in out
    assert "trained in  1 min 15 s on cpu, not NVIDIA H100" in out
    assert "the code of training has changed" in err


def test_replay_of_unknown_trial_is_refused(command: Command, night: PastNight) -> None:
    code, _, err = command("blueprint", "replay", night.blueprint.id, "--trial", "7")
    assert (code, "plans 1 trial; 7 is not one of them" in err) == (2, True)


def test_blueprint_equals_itself(command: Command, night: PastNight) -> None:
    code, out, _ = command("blueprint", "diff", night.blueprint.id, night.blueprint.id[:6])
    assert (code, out.splitlines()[-1]) == (0, "both are the same blueprint")


def test_diff_reads_like_a_change_log(command: Command, night: PastNight, store: ObjectStore) -> None:
    (plan,) = night.blueprint.content.trials
    other = keep_variant(night, margin=0.03, trials=(plan.model_copy(update={"seed": 21}),))
    _, out, _ = command("blueprint", "diff", night.blueprint.id, other.id)
    assert out.splitlines()[1:] == [
        "",
        "trials",
        "  trials.0.seed changed from 20 to 21",
        "",
        "gate",
        "  margin changed from 0.02 to 0.03",
        "",
        "the trial would be trained, because trials.0.seed changed from 20 to 21",
    ]


def test_changed_gate_trains_nothing(ask: Ask, night: PastNight) -> None:
    other = keep_variant(night, margin=0.03)
    document = ask("blueprint", "diff", night.blueprint.id, other.id)
    assert document["conclusion"] == "nothing that affects training changed: no trial would run"
    assert document["new_trials"] == []


def test_unknown_id_gets_the_closest(command: Command, night: PastNight) -> None:
    given = night.blueprint.id
    misread = given[:5] + ("0" if given[5] != "0" else "1") + given[6:8]
    code, _, err = command("blueprint", "show", misread)
    assert code == 2
    assert err == f"error: no blueprint begins with {misread!r}; did you mean {given[:12]}?\n"


def test_ambiguous_digits_list_the_candidates(command: Command, night: PastNight) -> None:
    ids = [night.blueprint.id]
    margin = 0.02
    # Sixteen blueprints more must have one with the same first digit.
    while sum(one[0] == ids[0][0] for one in ids) < 2:
        margin = round(margin + 0.001, 3)
        ids.append(keep_variant(night, margin=margin).id)
    code, _, err = command("blueprint", "show", ids[0][0])
    assert code == 2
    assert f"2 blueprints begin with {ids[0][0]!r}: " in err
    assert ids[-1][:12] in err
