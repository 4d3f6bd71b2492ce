"""Questions: the answers, their number of statements, and that the store is not read."""

import pytest
import sqlalchemy as sa
from nightloom.registry.members import list_members
from nightloom.registry.nights import end_stage
from nightloom.registry.questions import (
    complete_id,
    list_ancestors,
    list_children,
    list_descendants,
    list_failures,
    list_learners,
    list_predictions,
    read_champion_lineage,
)
from nightloom.registry.refs import read_log_tail
from nightloom.registry.roots import list_roots

from .conftest import MONDAY, TUESDAY


@pytest.fixture
def nights(world):
    """Two consecutive nights of a recipe."""
    first = world.run_night("triage", MONDAY, "rows")
    return first, world.run_night("triage", TUESDAY, "more rows", first)


def kinds(found):
    return {one.kind for one in found}


def test_champion_lineage_has_snapshot_and_batch(nights, registry):
    lineage = read_champion_lineage(registry, "triage")
    assert lineage.champion == nights[1]["adapter"]
    assert kinds(lineage.ancestors) == {"snapshot", "blueprint", "trial"}
    assert kinds(lineage.descendants) == {"verdict", "prediction_plan", "predictions", "report"}


def test_recipe_without_champion_has_no_lineage(registry):
    assert read_champion_lineage(registry, "triage") is None


def test_lineage_stops_at_previous_night(nights, registry):
    first, second = nights
    assert first["snapshot"] not in {one.manifest for one in list_ancestors(registry, second["adapter"])}
    led_to = {one.manifest for one in list_descendants(registry, first["snapshot"])}
    assert {first["adapter"], first["predictions"], first["preparation"]} <= led_to
    # The champion of the first night was compared with the candidate of the second, and no more came of it.
    assert second["verdict"] in led_to
    assert not {second["snapshot"], second["curated"], second["adapter"]} & led_to


def test_walk_is_bounded(nights, registry):
    assert len(list_descendants(registry, nights[0]["snapshot"], limit=3)) == 3


def test_verdicts_on_candidate_are_listed(nights, registry):
    first, _ = nights
    assert list_children(registry, first["adapter"], "verdict", "candidate") == [first["verdict"]]


def test_learners_of_snapshot_are_listed(nights, registry):
    first, second = nights
    assert list_learners(registry, [first["snapshot"]]) == [first["adapter"]]
    assert list_learners(registry, [first["snapshot"], second["snapshot"]]) == sorted(
        [first["adapter"], second["adapter"]]
    )
    assert list_learners(registry, []) == []


def test_predictions_of_adapter_have_nights(nights, registry):
    (found,) = list_predictions(registry, nights[0]["adapter"], limit=9)
    assert (found.manifest, found.recipe, found.night) == (nights[0]["predictions"], "triage", MONDAY)
    assert list_predictions(registry, nights[0]["adapter"], limit=9, after=found) == []


def test_failures_are_listed_newest_first(registry):
    for night in (MONDAY, TUESDAY):
        end_stage(registry, "triage", night, "prepare", "failed", "the source is away")
        end_stage(registry, "sales", night, "prepare", "done", "rows")
    failures = list_failures(registry, limit=1)
    assert [one.night for one in failures] == [TUESDAY]
    assert [one.night for one in list_failures(registry, "triage", limit=9, after=failures[0])] == [MONDAY]
    assert list_failures(registry, "sales", limit=9) == []


def test_id_is_completed_within_kind(nights, registry):
    first, second = nights
    assert complete_id(registry, "adapter", first["adapter"][:12], limit=9) == [first["adapter"]]
    assert complete_id(registry, "adapter", "", limit=9) == sorted([first["adapter"], second["adapter"]])
    assert complete_id(registry, "snapshot", first["adapter"][:12], limit=9) == []


def test_roots_have_strongest_reason(nights, registry):
    pages = [list_roots(registry, limit=4)]
    while len(pages[-1]) == 4:
        pages.append(list_roots(registry, after=pages[-1][-1].manifest, limit=4))
    found = {root.manifest: root.reason for page in pages for root in page}
    first, second = nights
    stages = ("preparation", "verdict", "predictions", "report")
    assert found == {
        **{night[kind]: "night" for night in nights for kind in stages},
        **{night["blueprint"]: "blueprint" for night in nights},
        **{night["verdict"]: "earlier ref" for night in nights},
        first["adapter"]: "earlier ref",
        second["adapter"]: "ref",
    }
    assert [root.manifest for page in pages for root in page] == sorted(found)


QUESTIONS = {
    "lineage of a champion": lambda db, _: read_champion_lineage(db, "triage"),
    "verdicts of a recipe": lambda db, _: list_members(db, "verdict", "triage", limit=50),
    "adapters that learned": lambda db, made: list_learners(db, [made["snapshot"]]),
    "members by kind and page": lambda db, _: list_members(db, "trial", "triage", limit=50),
    "failed nights": lambda db, _: list_failures(db, limit=50),
    "roots by page": lambda db, _: list_roots(db, limit=1000),
    "log tail of a ref": lambda db, _: read_log_tail(db, "triage", "champion", limit=50),
    "completion of an id": lambda db, made: complete_id(db, "adapter", made["adapter"][:4], limit=6),
    "predictions of an adapter": lambda db, made: list_predictions(db, made["adapter"], limit=50),
    "what a snapshot led to": lambda db, made: list_descendants(db, made["snapshot"]),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_questions_take_few_statements(nights, registry, s3, question):
    statements = []
    sa.event.listen(registry._engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    s3.objects.clear()
    s3.get_object = s3.head_object = s3.put_object = s3.get_paginator = None  # any call would fail
    question(registry, nights[0])
    assert statements.pop(0) == "BEGIN"
    assert 1 <= len(statements) <= 3
