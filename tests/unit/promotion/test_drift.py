"""Drift: each way in which a champion no longer answers its recipe, in words."""

import re
from types import SimpleNamespace

import pytest
from nightloom.artifacts.models import Adapter, AdapterContent, AdapterProvenance, TaskSpec
from nightloom.core.errors import InputError
from nightloom.promotion.drift import describe_drift
from nightloom.promotion.promote import refuse_unfit

TEAMS = ("billing", "shipping")


def ask(output="json", prompt="a" * 64, **answer):
    return TaskSpec(prompt=prompt, output=output, answer=answer, field_order=tuple(answer))


DRIFTS = {
    "renamed": (
        ask(team=TEAMS),
        ask(squad=TEAMS),
        "answers team as JSON, but the recipe asks for squad as JSON",
    ),
    "added": (
        ask(team=TEAMS),
        ask(team=TEAMS, mood=None),
        "answers team as JSON, but the recipe asks for team, mood as JSON",
    ),
    "removed": (
        ask(mood=None, team=TEAMS),
        ask(team=TEAMS),
        "answers mood, team as JSON, but the recipe asks for team as JSON",
    ),
    "other form": (
        ask("text", team=TEAMS),
        ask("json", team=TEAMS),
        "answers team as plain text, but the recipe asks for team as JSON",
    ),
    "more labels": (
        ask(team=("billing",)),
        ask(team=("billing", "legal")),
        "never answers team with 'legal', which the recipe now allows",
    ),
    "fewer labels": (
        ask(team=("a", "b", "c", "d", "e", "f")),
        ask(team=("f",)),
        "may answer team with 'a', 'b', 'c' and 2 more, which the recipe no longer allows",
    ),
    "renamed label": (
        ask(team=("billing", "parcels")),
        ask(team=("billing", "shipping")),
        "never answers team with 'shipping', which the recipe now allows; "
        "may answer team with 'parcels', which the recipe no longer allows",
    ),
    "text to labels": (
        ask(team=None),
        ask(team=TEAMS),
        "answers team with any text, but the recipe allows only 'billing', 'shipping'",
    ),
    "labels to text": (
        ask(team=TEAMS),
        ask(team=None),
        "answers team only with 'billing', 'shipping', but the recipe allows any text",
    ),
    "renamed beside other labels": (
        ask(team=TEAMS, mood=None),
        ask(team=("billing",), tone=None),
        "answers team, mood as JSON, but the recipe asks for team, tone as JSON; "
        "may answer team with 'shipping', which the recipe no longer allows",
    ),
}


@pytest.mark.parametrize(("answered", "asked", "drift"), DRIFTS.values(), ids=DRIFTS)
def test_difference_is_described(answered, asked, drift):
    assert describe_drift(answered, asked) == drift


SAME = {
    "other prompt": (ask(team=TEAMS), ask(prompt="b" * 64, team=TEAMS)),
    "other order of fields": (ask(team=TEAMS, mood=None), ask(mood=None, team=TEAMS)),
    "other order of labels": (ask(team=("a", "b")), ask(team=("b", "a"))),
}


@pytest.mark.parametrize(("answered", "asked"), SAME.values(), ids=SAME)
def test_same_answers_are_no_drift(answered, asked):
    assert describe_drift(answered, asked) is None


def refuse(answered, asked):
    adapter = Adapter(
        content=AdapterContent(base="b" * 64, method="lora", files=()), provenance=AdapterProvenance(source="tuned")
    )
    refuse_unfit(SimpleNamespace(name="triage"), adapter, answered, "b" * 64, asked)


@pytest.mark.parametrize(("answered", "asked"), SAME.values(), ids=SAME)
def test_adapter_with_same_answers_can_be_promoted(answered, asked):
    refuse(answered, asked)


@pytest.mark.parametrize(("answered", "asked", "drift"), DRIFTS.values(), ids=DRIFTS)
def test_adapter_with_other_answers_is_refused(answered, asked, drift):
    with pytest.raises(
        InputError, match=f"^adapter .* {re.escape(drift)}; choose an adapter of triage that was trained"
    ):
        refuse(answered, asked)
