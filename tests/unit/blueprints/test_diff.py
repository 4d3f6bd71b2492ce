"""A diff reads like a change log and lists exactly the differences."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.blueprints import BlueprintSpec, EvalSetUse, TrialPlan
from nightloom.artifacts.models import TaskSpec
from nightloom.artifacts.training import identify_trial
from nightloom.blueprints.changes import (
    GROUPS,
    Change,
    describe_changes,
    describe_plan,
    diff_blueprints,
    diff_trials,
    list_new_trials,
)
from nightloom.core.digests import canonical_json

VALUES = st.one_of(st.booleans(), st.integers(-2, 2), st.sampled_from([1.0, 0.5]), st.sampled_from([(), ("a",), {}]))
SETTINGS = st.dictionaries(st.sampled_from(["learning_rate", "packing", "x.y"]), VALUES, max_size=2)


@st.composite
def plans(draw: st.DrawFn) -> TrialPlan:
    return TrialPlan(
        trainer=draw(st.sampled_from(["trl", "dummy"])),
        method="lora",
        lora=draw(SETTINGS),
        settings=draw(SETTINGS),
        seed=draw(st.integers(0, 2)),
    )


@st.composite
def blueprints(draw: st.DrawFn) -> BlueprintSpec:
    names = draw(st.permutations(["gold", "clean"]))[: draw(st.integers(1, 2))]
    return make_identity(
        tuple(draw(st.lists(plans(), min_size=1, max_size=4))),
        snapshot=draw(st.sampled_from(["1" * 64, "2" * 64])),
        margin=draw(st.sampled_from([0.02, 0.03])),
        eval_sets=tuple(make_use(name, draw(st.integers(1, 2))) for name in names),
        packages=draw(st.dictionaries(st.sampled_from(["torch", "trl"]), st.sampled_from(["1", "2"]))),
    )


def make_use(name: str, items: int = 1) -> EvalSetUse:
    return EvalSetUse(name=name, evalset="e" * 64, items=items, minimum_detectable_effect=0.04)


def make_identity(trials: tuple[TrialPlan, ...], **fields: Any) -> BlueprintSpec:
    given = {
        "recipe": "triage",
        "snapshot": "1" * 64,
        "base": "b" * 64,
        "task": TaskSpec(prompt="c" * 64, output="json", answer={"team": None}, field_order=("team",)),
        "primary": "team",
        "eval_sets": (make_use("gold"),),
        "max_new_tokens": 16,
        "promote_on": "better",
        "margin": 0.02,
        "confidence": 0.95,
        "code": {"training": "d" * 64},
        "packages": {"torch": "2"},
        **fields,
    }
    return BlueprintSpec.model_validate({"trials": trials, **given})


def make_plan(seed: int = 20, **settings: Any) -> TrialPlan:
    return TrialPlan(trainer="trl", method="lora", lora={"r": 8}, settings=settings, seed=seed)


def messages(before: BlueprintSpec, after: BlueprintSpec) -> list[str]:
    return [change.message for change in diff_blueprints(before, after)]


@given(blueprints(), blueprints())
def test_diff_is_empty_for_equal_blueprints(before: BlueprintSpec, after: BlueprintSpec) -> None:
    assert diff_blueprints(before, before) == []
    is_same = canonical_json(before.model_dump(mode="json")) == canonical_json(after.model_dump(mode="json"))
    assert (diff_blueprints(before, after) == []) == is_same


@given(blueprints(), blueprints())
def test_changes_reproduce_the_later_trials(before: BlueprintSpec, after: BlueprintSpec) -> None:
    changes = [change for change in diff_blueprints(before, after) if change.field.startswith("trials.")]
    assert follow(before, changes, len(after.trials)) == [describe_plan(plan) for plan in after.trials]


@given(blueprints(), blueprints())
def test_reverse_diff_has_same_fields(before: BlueprintSpec, after: BlueprintSpec) -> None:
    there, back = (
        {change.field for change in diff_blueprints(*pair) if not change.field.startswith("trials.")}
        for pair in ((before, after), (after, before))
    )
    assert there == back


def follow(before: BlueprintSpec, changes: list[Change], count: int) -> list[dict[str, Any]]:
    """Apply a change log's lines on trials to the trials that were there before."""
    old = dict(enumerate(describe_plan(plan) for plan in before.trials))
    came_from = {change.after: change.before for change in changes if change.kind == "moved"}
    new: list[dict[str, Any]] = []
    for number in range(count):
        whole = next((c for c in changes if c.kind == "added" and c.field == f"trials.{number}"), None)
        plan = dict(whole.after if whole else old[came_from.get(number, number)])
        for change in changes:
            prefix = f"trials.{number}."
            if not change.field.startswith(prefix):
                continue
            setting = change.field.removeprefix(prefix)
            if change.kind == "removed":
                del plan[setting]
            else:
                plan[setting] = change.after
        new.append(plan)
    return new


def test_changes_read_like_a_log() -> None:
    before = make_identity((make_plan(20, learning_rate=0.004, packing=False),))
    after = make_identity((make_plan(21, learning_rate=0.002, max_steps=128),), margin=0.03, snapshot="2" * 64)
    assert messages(before, after) == [
        "snapshot changed from 111111111111 to 222222222222",
        "trials.0.seed changed from 20 to 21",
        "trials.0.settings.learning_rate changed from 0.004 to 0.002",
        "trials.0.settings.max_steps added: 128",
        "trials.0.settings.packing removed: was False",
        "margin changed from 0.02 to 0.03",
    ]


def test_changed_code_has_no_digests() -> None:
    after = make_identity((make_plan(),), code={"training": "f" * 64}, packages={"torch": "3"})
    assert messages(make_identity((make_plan(),)), after) == [
        "the code of training changed",
        "packages.torch changed from 2 to 3",
    ]


def test_extended_grid_keeps_earlier_trials() -> None:
    slow, fast, faster = (make_plan(learning_rate=rate) for rate in (0.001, 0.002, 0.004))
    assert messages(make_identity((slow, faster)), make_identity((slow, fast, faster))) == [
        "trial 1 is now trial 2",
        "trials.1 added: trainer trl, method lora, lora.r 8, settings.learning_rate 0.002, early_stopping none, "
        "seed 20",
    ]


def test_eval_sets_match_by_name() -> None:
    before = make_identity((make_plan(),))
    after = make_identity((make_plan(),), eval_sets=(make_use("clean"), make_use("gold")))
    assert {change.field.split(".")[1] for change in diff_blueprints(before, after) if "." in change.field} == {"clean"}
    assert "eval_sets changed from gold to clean, gold" in messages(before, after)


def test_only_different_weights_are_new() -> None:
    before = make_identity((make_plan(1), make_plan(2)))
    assert list_new_trials(before, make_identity((make_plan(2), make_plan(3)), margin=0.1)) == [1]
    assert list_new_trials(before, make_identity((make_plan(1),), eval_sets=(make_use("clean"),))) == []
    assert list_new_trials(before, make_identity((make_plan(1),), snapshot="2" * 64)) == [0]


def test_diff_ignores_fields_without_effect() -> None:
    before, after = make_identity((make_plan(1),)), make_identity((make_plan(1), make_plan(2)), margin=0.1)
    changes = diff_trials(identify_trial(before, 0), identify_trial(after, 1), 1)
    assert [change.message for change in changes] == ["trials.1.seed changed from 1 to 2"]


def test_every_blueprint_field_has_a_group() -> None:
    assert {name for fields in GROUPS.values() for name in fields} == set(BlueprintSpec.model_fields)


@pytest.mark.parametrize(
    ("most", "line"),
    [(3, "margin added: 1; base added: none; the code of a, b changed"), (1, "margin added: 1; and 2 more")],
    ids=["all", "some"],
)
def test_many_changes_are_shortened(most: int, line: str) -> None:
    code = [Change(f"code.{name}", "changed", "1", "2") for name in "ab"]
    assert describe_changes([Change("margin", "added", after=1), Change("base", "added"), *code], most) == line
