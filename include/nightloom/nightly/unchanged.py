"""Unchanged: whether a night would prepare what the last prepared night did."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from nightloom.artifacts.data import Curation, Preparation, Records
from nightloom.artifacts.reading import has_added
from nightloom.core.nights import parse_night
from nightloom.nightly.context import Night, describe_recipe
from nightloom.nightly.curation_inputs import (
    find_preparation_before,
    freeze_eval_sets,
    gather_inputs,
    identify_curation,
)
from nightloom.registry.nights import read_outcomes, read_pinned_recipe
from nightloom.registry.questions import list_parents
from nightloom.registry.refs import read_ref_before
from nightloom.validation.limits import Earlier

_DECIDING = ("task", "prepare", "train", "evaluate", "gate")
"""Sections of a recipe that decide what a night prepares, trains or promotes."""

_OF_THE_NIGHT = {"records", "parent", "releases", "erased", "earlier", "cut_to", "cut_days"}
"""Fields of a curation's key that differ from night to night, whatever the settings."""


def is_unchanged(night: Night, records: Records) -> bool:
    """Whether the last prepared night had all these records, the same recipe, eval sets, suites, code and packages.

    It lacks late rows, and those of a night that failed since.
    """
    registry, recipe = night.registry, night.recipe.name
    if read_ref_before(registry, recipe, "latest", night.date) is None:
        return False
    before = read_outcomes(registry, recipe, until=night.date - timedelta(days=1), limit=1)
    if not all(outcome.status in ("done", "nothing_new") for outcome in before if outcome.stage == "prepare"):
        return False
    parent = find_preparation_before(night)
    if parent is None or not _has_same_recipe(night, parent):
        return False
    known = night.store.load(Records, parent.content.records)
    return not has_added(night.store, records, known) and _has_same_inputs(night, records, parent)


def _has_same_recipe(night: Night, parent: Preparation) -> bool:
    pinned = read_pinned_recipe(night.registry, night.recipe.name, parse_night(parent.content.night))
    return pinned is not None and _list_deciding(pinned) == _list_deciding(describe_recipe(night.recipe))


def _list_deciding(recipe: bytes) -> list[str]:
    document = json.loads(recipe)
    # As text, since names have an order: a model answers fields in it.
    return [json.dumps(document.get(section)) for section in _DECIDING]


def _has_same_inputs(night: Night, records: Records, parent: Preparation) -> bool:
    """Whether curation has the same inputs outside the recipe: items, tokenizer, suites, code and packages."""
    key = identify_curation(night, records.id, freeze_eval_sets(night), gather_inputs(night), Earlier())
    return any(_list_settings(each.key) == _list_settings(key) for each in _find_curations(night, parent))


def _find_curations(night: Night, parent: Preparation) -> Iterator[Curation]:
    for one in list_parents(night.registry, parent.content.curated, Curation.kind):
        if found := night.store.load_if_there(Curation, one):
            yield found


def _list_settings(key: Curation.Key) -> dict[str, Any]:
    return key.model_dump(mode="json", exclude=_OF_THE_NIGHT)
