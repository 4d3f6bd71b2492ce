"""Drift: how the answers of a champion differ from what its recipe now asks for.

A champion is asked as it was trained, also after the recipe was edited. So it still answers a field that was
renamed, leaves out one that was added, and keeps labels that are no longer allowed.
"""

from collections.abc import Iterator, Sequence

from nightloom.artifacts.models import TaskSpec, specify_task
from nightloom.core.digests import short
from nightloom.core.store import ObjectStore
from nightloom.promotion.champions import find_champion
from nightloom.recipes.schema import Recipe
from nightloom.registry.database import Database

_MOST_SHOWN = 3

Labels = Sequence[str] | None


def describe_drift(answered: TaskSpec, asked: TaskSpec) -> str | None:
    """Return how answers differ, as the end of a sentence about the champion, or None if they do not.

    The prompt does not count: another version may ask for the same answer.

    Args:
        answered: Task of the champion.
        asked: Task of the recipe.
    """
    return "; ".join(_list_differences(answered, asked)) or None


def describe_champion(store: ObjectStore, database: Database, recipe: Recipe) -> str | None:
    """Return how the answers of a recipe's champion differ from what it asks for, or None if they do not."""
    champion = find_champion(store, database, recipe.name)
    drift = describe_drift(champion.task, specify_task(recipe.task, champion.task.prompt)) if champion else None
    return f"champion {short(champion.adapter)} {drift}" if champion and drift else None


def name_replacement(recipe: str, shown: str = "ADAPTER") -> str:
    """Return the command that makes an adapter the champion by hand, with as much of its id as is to be shown."""
    return f"`nightloom model promote {shown} {recipe} --reason TEXT`"


def _list_differences(answered: TaskSpec, asked: TaskSpec) -> Iterator[str]:
    if (answered.output, set(answered.answer)) != (asked.output, set(asked.answer)):
        yield f"answers {_show_form(answered)}, but the recipe asks for {_show_form(asked)}"
    for field in (field for field in asked.field_order if field in answered.answer):
        yield from _compare_labels(field, answered.answer[field], asked.answer[field])


def _show_form(task: TaskSpec) -> str:
    form = "JSON" if task.output == "json" else "plain text"
    return f"{', '.join(task.field_order)} as {form}"


def _compare_labels(field: str, answered: Labels, asked: Labels) -> Iterator[str]:
    if asked is None and answered is not None:
        yield f"answers {field} only with {_show(answered)}, but the recipe allows any text"
    elif answered is None and asked is not None:
        yield f"answers {field} with any text, but the recipe allows only {_show(asked)}"
    elif answered is not None and asked is not None:
        if added := [label for label in asked if label not in answered]:
            yield f"never answers {field} with {_show(added)}, which the recipe now allows"
        if removed := [label for label in answered if label not in asked]:
            yield f"may answer {field} with {_show(removed)}, which the recipe no longer allows"


def _show(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _MOST_SHOWN} more" if len(labels) > _MOST_SHOWN else ""
    return ", ".join(repr(label[:40]) for label in labels[:_MOST_SHOWN]) + more
