"""Plans of predictions that name no rows."""

from typing import Any

from nightloom.artifacts.models import Checks, ModelRef, TaskSpec
from nightloom.artifacts.predictions import PredictionPlanContent


def make_plan_content(task: TaskSpec, **more: Any) -> PredictionPlanContent:
    """A plan for this task, of a base model alone; other fields by keyword."""
    fields = {
        "recipe": "triage",
        "night": "2026-11-23",
        "model": ModelRef(base="b" * 64),
        "max_new_tokens": 8,
        "checks": Checks(max_characters=2000, operations={}, actions={}, scanners={}),
        "shards": (),
        "rows": 0,
        "code": "",
        "packages": {},
    }
    return PredictionPlanContent(task=task, **(fields | more))
