"""Every field of a recipe has a consumer: the blueprint changes with it, or a named function reads it."""

import ast
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from nightloom.artifacts.blueprints import Blueprint
from nightloom.core.manifests import Plain
from nightloom.recipes import limits, preparation, schema, sources, training
from nightloom.recipes.schema import Recipe

from tests.factories.extensions import installed

FULL = yaml.safe_load((Path(__file__).parents[2] / "golden" / "full_recipe.yaml").read_text(encoding="utf-8"))

CHANGES: dict[str, Any] = {
    "Recipe.name": "routing",
    "Task.answer": {"team": {"column": "team"}},
    "AnswerField.one_of": ["billing", "shipping"],
    "Task.primary": "reply",
    "Task.chat_template_kwargs": {"enable_thinking": True},
    "Evaluate.max_new_tokens": 33,
    "Evaluate.linear_classifier": False,
    "Gate.promote_on": "not_worse",
    "Gate.margin": 0.03,
    "Gate.confidence": 0.9,
    "Train.trainer": "dummy",
    "Train.method": "full",
    "Train.model": {"attn_implementation": "sdpa"},
    "Train.lora": {"r": 8, "lora_alpha": 32},
    "Train.settings": {"num_train_epochs": 3},
    "Train.seed": 8,
    "EarlyStopping.every": 0.1,
    "EarlyStopping.patience": 3,
    "Trials.over": {"lora.r": [8, 16, 32]},
    "Trials.count": 5,
    "Trials.seeds": [3],
    "Range.low": 2,
    "Range.high": 8,
    "Range.log": True,
    "Range.whole": True,
    "Pruning.rungs": [0.25, 0.5],
    "Pruning.keep": 0.3,
    "Budget.gpu_minutes": 61,
    "Budget.cost": 6,
}
"""Fields of which another value, this one, makes another blueprint of the full recipe."""

READERS = {
    "Recipe.description": "nightloom.orchestration.dags:stage_arguments",
    "Recipe.owner": "nightloom.orchestration.alerts:send_alert",
    "Recipe.timezone": "nightloom.nightly.prepare:open_night",
    "Recipe.schedule": "nightloom.orchestration.dags:nightly",
    "Recipe.deadline": "nightloom.orchestration.deadlines:due_night",
    "Recipe.access": "nightloom.orchestration.dags:stage_arguments",
    "Alerts.channel": "nightloom.orchestration.alerts:make_notifier",
    "Alerts.connection": "nightloom.orchestration.alerts:make_notifier",
    "Alerts.to": "nightloom.orchestration.alerts:make_notifier",
    "Task.output": "nightloom.artifacts.models:specify_task",
    "Task.prompt": "nightloom.blueprints.compile:draft_recipe",
    "AnswerField.column": "nightloom.sources.records:wanted_columns",
    "Columns.key": "nightloom.sources.records:make_records",
    "Columns.updated_at": "nightloom.sources.records:make_records",
    "Columns.deleted_at": "nightloom.sources.records:make_records",
    "Columns.chat": "nightloom.sources.records:make_records",
    "Columns.text": "nightloom.sources.records:wanted_columns",
    "Columns.slice": "nightloom.sources.records:make_records",
    "Prepare.window_days": "nightloom.nightly.prepare:extract_records",
    "Prepare.min_rows": "nightloom.validation.checks:_name_parameters",
    "Prepare.max_characters": "nightloom.scanners.registry:make_checks",
    "Prepare.token_budget": "nightloom.nightly.curation_inputs:_freeze_tokenizer",
    "Prepare.near_duplicate_similarity": "nightloom.curation.passes:Batch.scan",
    "Prepare.eval_containment": "nightloom.curation.curate:_measure_items",
    "Prepare.near_duplicates": "nightloom.curation.curate:_decide_related",
    "Prepare.contradictions": "nightloom.curation.curate:_decide_related",
    "Prepare.pii": "nightloom.recipes.preparation:Prepare.actions",
    "Prepare.secrets": "nightloom.recipes.preparation:Prepare.actions",
    "Prepare.prompt_injections": "nightloom.recipes.preparation:Prepare.actions",
    "Prepare.scanners": "nightloom.recipes.preparation:Prepare.actions",
    "Prepare.suite": "nightloom.validation.checks:validate_records",
    "Normalise.fix_encoding": "nightloom.scanners.normalise:OPERATIONS",
    "Normalise.html": "nightloom.scanners.normalise:OPERATIONS",
    "Normalise.control_characters": "nightloom.scanners.normalise:OPERATIONS",
    "Normalise.invisible_characters": "nightloom.scanners.normalise:OPERATIONS",
    "Normalise.nfc": "nightloom.scanners.normalise:OPERATIONS",
    "Normalise.whitespace": "nightloom.scanners.normalise:OPERATIONS",
    "Normalise.single_spaces": "nightloom.scanners.normalise:OPERATIONS",
    "Volume.nights": "nightloom.nightly.earlier_nights:read_earlier_nights",
    "Volume.at_least": "nightloom.validation.limits:_expect_volume",
    "Volume.at_most": "nightloom.validation.limits:_expect_volume",
    "Limits.label_drift": "nightloom.validation.limits:list_example_limits",
    "Limits.text_length_drift": "nightloom.validation.limits:list_example_limits",
    "Limits.freshness_hours": "nightloom.validation.limits:list_record_limits",
    "Split.selection": "nightloom.curation.clusters:_split_by_id",
    "Split.test": "nightloom.curation.clusters:_split_by_id",
    "PlantedRows.key": "nightloom.sources.extract:read_planted_rows",
    "PlantedRows.kind": "nightloom.sources.extract:read_planted_rows",
    "PlantedRows.outcome": "nightloom.sources.extract:read_planted_rows",
    "PlantedRows.rule": "nightloom.sources.extract:read_planted_rows",
    "Train.base": "nightloom.blueprints.compile:compile_recipe",
    "Trials.search": "nightloom.blueprints.sampling:_sample",
    "Evaluate.sets": "nightloom.nightly.curation_inputs:freeze_eval_sets",
    "Evaluate.max_refused": "nightloom.nightly.prepare:curate_records",
    "EvalSet.name": "nightloom.nightly.curation_inputs:freeze_eval_sets",
    "Predict.table": "nightloom.nightly.predict:commit_predictions",
    "Predict.connection": "nightloom.recipes.schema:Predict.table_connection",
    "Predict.shard_rows": "nightloom.prediction.plan:plan_shards",
    "Predict.workers": "nightloom.nightly.predict:list_workers",
    "Predict.max_new_tokens": "nightloom.prediction.plan:plan_shards",
    "SqlSource.kind": "nightloom.recipes.sources:_tag_source",
    "SqlSource.connection": "nightloom.sources.sql:read_query",
    "SqlSource.query": "nightloom.sources.sql:read_query",
    "SqlSource.timezone": "nightloom.recipes.sources:zone_of",
    "FilesSource.kind": "nightloom.recipes.sources:_tag_source",
    "FilesSource.path": "nightloom.recipes.sources:FilesSource.resolved_path",
    "FilesSource.timezone": "nightloom.recipes.sources:zone_of",
    "DeltaSource.kind": "nightloom.recipes.sources:_tag_source",
    "DeltaSource.path": "nightloom.recipes.sources:DeltaSource.resolved_path",
    "DeltaSource.timezone": "nightloom.recipes.sources:zone_of",
    "OtherSource.kind": "nightloom.sources.tables:_choose_reader",
    "OtherSource.options": "tests.unit.extension.mailbox_source:read_mailbox",
    "OtherSource.timezone": "nightloom.recipes.sources:zone_of",
}
"""Fields that act elsewhere, each with a function (or a table of functions by name) that reads it."""


Field = tuple[str, list[Any], Any]
"""A field as `Class.field`, where it is in the recipe by keys and indexes, and its value."""


def list_fields(part: Any, place: Sequence[Any] = ()) -> Iterator[Field]:
    if isinstance(part, Plain):
        for name in type(part).model_fields:
            value = getattr(part, name)
            yield f"{type(part).__name__}.{name}", [*place, name], value
            yield from list_fields(value, [*place, name])
    elif isinstance(part, dict | tuple):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            yield from list_fields(value, [*place, key])


@pytest.fixture
def fields(tmp_path: Path) -> Iterator[list[Field]]:
    """Every field of the full recipe, whose source kind is installed."""
    with installed(tmp_path, "[nightloom.sources]\nmailbox = tests.unit.extension.mailbox_source:read_mailbox\n"):
        yield list(list_fields(Recipe.model_validate(FULL)))


def test_full_recipe_has_every_field(fields: list[Field]) -> None:
    named = [value for module in (limits, preparation, schema, sources, training) for value in vars(module).values()]
    parts = {value for value in named if isinstance(value, type) and issubclass(value, Plain)} - {Plain}
    every_field = {f"{part.__name__}.{name}" for part in parts for name in part.model_fields}
    assert {name for name, _, _ in fields} == every_field


def test_every_field_has_a_consumer(fields: list[Field]) -> None:
    # A part of the recipe is read if its fields are.
    values = {name for name, _, value in fields if not isinstance(value, Plain)}
    consumed = {*CHANGES, *READERS}
    assert values - consumed == set(), (
        "write in CHANGES or READERS what they act on; if nothing reads them, remove them"
    )
    assert consumed - values == set(), "they are no fields of the recipe; remove them here"
    assert not set(CHANGES) & set(READERS)


@pytest.mark.parametrize("name", CHANGES)
def test_blueprint_changes_with_field(name: str, fields: list[Field], make_blueprint: Callable[..., Blueprint]) -> None:
    place = next(place for field, place, _ in fields if field == name)
    changed = deepcopy(FULL)
    part = changed
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = CHANGES[name]
    assert make_blueprint(**changed).content != make_blueprint(**FULL).content


@pytest.mark.parametrize("name", READERS)
def test_reader_reads_field(name: str) -> None:
    module, _, path = READERS[name].partition(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    field = name.partition(".")[2]
    assert any(is_use(node, field) for node in ast.walk(find_definition(body, path.split("."))))


def find_definition(body: Sequence[ast.stmt], names: Sequence[str]) -> ast.AST:
    found = next((node for node in body if names[0] in names_of(node)), None)
    assert found is not None, f"{names[0]} is not there"
    return find_definition(found.body, names[1:]) if isinstance(found, ast.ClassDef) and names[1:] else found


def names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def is_use(node: ast.AST, field: str) -> bool:
    """Whether a node reads an attribute of this name, or asks for it by its name."""
    if isinstance(node, ast.Attribute):
        return node.attr == field
    return isinstance(node, ast.Constant) and node.value == field
