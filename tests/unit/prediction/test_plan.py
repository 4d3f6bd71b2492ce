"""Plans: the night's rows, each once, in shards, with everything that determines their results."""

import pytest
from nightloom.artifacts.frames import RECORDS, get_frame
from nightloom.artifacts.models import Checks
from nightloom.core.errors import InputError
from nightloom.recipes.schema import Recipe


def test_newest_version_is_predicted_once(store, make_plan) -> None:
    plan = make_plan([("a", "2026-11-01", "old"), ("a", "2026-11-22", "new"), ("b", "2026-11-22", "other")])
    (shard,) = plan.content.shards
    assert get_frame(store, shard, RECORDS)["text"].to_list() == ["new", "other"]
    assert plan.content.rows == 2


def test_rows_are_sorted_into_shards(store, make_plan) -> None:
    plan = make_plan([(key, "", "text") for key in "gfedcba"])
    shards = [get_frame(store, shard, RECORDS)["row_id"].to_list() for shard in plan.content.shards]
    assert shards == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


def test_plan_contains_prompt_and_checks(make_plan) -> None:
    content = make_plan(["text"]).content
    assert content.task.field_order == ("team", "reply")
    assert content.task.answer == {"team": ("billing", "sales"), "reply": None}
    operations = ("fix_encoding", "control_characters", "invisible_characters", "nfc", "whitespace")
    assert content.checks == Checks(
        max_characters=200,
        operations={**dict.fromkeys(operations, 1), "control_characters": 2, "whitespace": 2},
        actions={"pii": "redact", "secret": "quarantine", "prompt_injection": "quarantine"},
        scanners={"pii": 2, "secret": 2, "prompt_injection": 2},
    )


def test_equal_rows_give_equal_plans(make_plan) -> None:
    assert make_plan(["one", "two"]).id == make_plan(["one", "two"]).id
    assert make_plan(["one", "two"]).id != make_plan(["one", "three"]).id


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"predict": None}, "recipe triage has no `predict`"),
        ({"task": {"primary": "status", "answer": {"status": {"column": "team"}}}}, "already has a column 'status'"),
    ],
    ids=["nothing to predict", "column name taken"],
)
def test_undeliverable_batch_is_refused(store, make_plan, recipe: Recipe, changes, reason) -> None:
    document = recipe.model_dump()
    for key, value in changes.items():
        document[key] = {**document[key], **value} if value else None
    with pytest.raises(InputError, match=reason):
        make_plan(["text"], Recipe.model_validate(document))
