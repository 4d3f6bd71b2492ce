"""Changes: the fields that differ between two blueprints or two trials, as in a change log."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nightloom.artifacts.blueprints import BlueprintSpec, TrialPlan
from nightloom.artifacts.training import TrialKey, identify_trial
from nightloom.core.digests import canonical_json, digest_json, short

Kind = Literal["added", "removed", "changed", "moved"]
Path = tuple[str, ...]
Leaves = Mapping[Path, Any]

GROUPS: Mapping[str, Sequence[str]] = {
    "recipe": ("recipe",),
    "data": ("snapshot", "eval_sets"),
    "task": ("task",),
    "base model": ("base", "tokenizer", "template"),
    "trials": ("trials", "pruning", "budget"),
    "gate": ("primary", "promote_on", "margin", "confidence", "max_new_tokens", "linear_classifier"),
    "code": ("code",),
    "packages": ("packages",),
}
"""Group of a change → first words of its fields, in the order in which groups are shown."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs.

    Attributes:
        field: Path in the later blueprint, such as `trials.0.settings.learning_rate`; in the earlier one if removed.
        kind: What happened to it. A trial that `moved` only has another number.
        before: Earlier value, or None if the field was not there.
        after: Later value, or None if the field was removed.
        detail: More about the change, such as the numbers of rows.
    """

    field: str
    kind: Kind
    before: Any = None
    after: Any = None
    detail: str = ""

    @property
    def group(self) -> str:
        """Name of the group that the field belongs to."""
        return next(group for group, fields in GROUPS.items() if self.field.partition(".")[0] in fields)

    @property
    def message(self) -> str:
        """The change as a line of text."""
        return f"{self._text} ({self.detail})" if self.detail else self._text

    @property
    def _text(self) -> str:
        if self.kind == "moved":
            return f"trial {self.before} is now trial {self.after}"
        if self.field.startswith("code.") and self.kind == "changed":
            return f"the code of {self.field.removeprefix('code.')} changed"
        if self.kind == "added":
            return f"{self.field} added: {show_value(self.after)}"
        if self.kind == "removed":
            return f"{self.field} removed: was {show_value(self.before)}"
        return f"{self.field} changed from {show_value(self.before)} to {show_value(self.after)}"


def diff_blueprints(before: BlueprintSpec, after: BlueprintSpec) -> list[Change]:
    """Return all differences in the order of `GROUPS`; an empty list if both are the same blueprint."""
    changes = [
        *_diff_leaves(_list_leaves(before), _list_leaves(after)),
        *_diff_order([use.name for use in before.eval_sets], [use.name for use in after.eval_sets]),
        *_diff_plans(before.trials, after.trials),
    ]
    return _by_group(changes)


def diff_trials(before: TrialKey, after: TrialKey, number: int) -> list[Change]:
    """Return the differences that affect the weights of a trial; an empty list if both have the same weights.

    Args:
        before: Trial of an earlier blueprint.
        after: Trial of this blueprint.
        number: Number of the trial in this blueprint.
    """
    old, new = (_list_trial_leaves(trial, number) for trial in (before, after))
    return _by_group(_diff_leaves(old, new))


def list_new_trials(before: BlueprintSpec, after: BlueprintSpec) -> list[int]:
    """Return the numbers of the later blueprint's trials that the earlier blueprint does not have."""
    known = {digest_json(identify_trial(before, n).model_dump(mode="json")) for n in range(len(before.trials))}
    return [
        number
        for number in range(len(after.trials))
        if digest_json(identify_trial(after, number).model_dump(mode="json")) not in known
    ]


def show_value(value: Any) -> str:
    """Return a value as text, with digests shortened."""
    match value:
        case None:
            return "none"
        case str() if _DIGEST.fullmatch(value):
            return short(value)
        case dict():
            return ", ".join(f"{name} {show_value(inner)}" for name, inner in value.items()) or "none"
        case list() | tuple():
            return ", ".join(map(show_value, value)) or "none"
    return str(value)


def describe_plan(plan: TrialPlan) -> dict[str, Any]:
    """Return a trial's settings by their paths, such as `settings.learning_rate`."""
    return {".".join(path): value for path, value in _list_plan_leaves(plan).items()}


def _by_group(changes: Iterable[Change]) -> list[Change]:
    groups = list(GROUPS)
    return sorted(changes, key=lambda change: groups.index(change.group))


def _list_leaves(spec: BlueprintSpec) -> Leaves:
    """Return every field except the trials. Eval sets are keyed by name, so a new first one changes no other."""
    document = spec.model_dump(mode="json")
    leaves: dict[Path, Any] = {}
    for name, value in document.items():
        if name == "eval_sets":
            for use in value:
                inner = {field: one for field, one in use.items() if field != "name"}
                leaves |= {(name, use["name"], field): one for field, one in inner.items()}
        elif name == "task":
            answer = value.pop("answer")
            leaves |= {(name, field): one for field, one in value.items()}
            leaves |= {(name, "answer", field): one for field, one in answer.items()}
        elif name in ("code", "packages"):
            leaves |= {(name, field): one for field, one in value.items()}
        elif name != "trials":
            leaves[name,] = value
    return leaves


def _list_plan_leaves(plan: TrialPlan) -> Leaves:
    """Return each setting of a trial by its path; a nested value is part of its setting."""
    leaves: dict[Path, Any] = {}
    for name, value in plan.model_dump(mode="json").items():
        if name in ("model", "lora", "settings"):
            leaves |= {(name, field): one for field, one in value.items()}
        else:
            leaves[name,] = value
    return leaves


def _list_trial_leaves(trial: TrialKey, number: int) -> Leaves:
    document = trial.model_dump(mode="json")
    leaves: dict[Path, Any] = {(name,): document[name] for name in ("snapshot", "base")}
    answer = document["task"].pop("answer")
    leaves |= {("task", field): one for field, one in document["task"].items()}
    leaves |= {("task", "answer", field): one for field, one in answer.items()}
    leaves |= {("trials", str(number), *path): one for path, one in _list_plan_leaves(trial.plan).items()}
    return leaves | {(name, field): one for name in ("code", "packages") for field, one in document[name].items()}


def _diff_leaves(old: Leaves, new: Leaves) -> list[Change]:
    changes = []
    for path in sorted(old.keys() | new.keys()):
        field = ".".join(path)
        if path not in old:
            changes.append(Change(field, "added", after=new[path]))
        elif path not in new:
            changes.append(Change(field, "removed", before=old[path]))
        # Compared as JSON: Python treats 1, 1.0 and True as equal, but their digests differ.
        elif canonical_json(old[path]) != canonical_json(new[path]):
            changes.append(Change(field, "changed", old[path], new[path]))
    return changes


def _diff_order(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """Return a change if common eval sets are ordered differently or the first one differs: the first one decides."""
    both = [[name for name in one if name in other] for one, other in ((old, new), (new, old))]
    if both[0] == both[1] and old[:1] == new[:1]:
        return []
    return [Change("eval_sets", "changed", list(old), list(new))]


def _diff_plans(old: Sequence[TrialPlan], new: Sequence[TrialPlan]) -> list[Change]:
    """Match equal trials first, then the most similar ones; the rest were added or removed."""
    left = dict(enumerate(old))
    waiting = []
    changes = []
    for number, plan in enumerate(new):
        same = next((n for n, other in left.items() if not _diff_plan(other, plan, number)), None)
        if same is None:  # matched below, once all equal trials are taken
            waiting.append(number)
            continue
        del left[same]
        if same != number:
            changes.append(Change(f"trials.{number}", "moved", same, number))
    for number in waiting:
        if not left:
            changes.append(Change(f"trials.{number}", "added", after=describe_plan(new[number])))
            continue
        alike = min(left, key=lambda n: (len(_diff_plan(left[n], new[number], number)), abs(n - number)))
        if alike != number:
            changes.append(Change(f"trials.{number}", "moved", alike, number))
        changes += _diff_plan(left.pop(alike), new[number], number)
    changes += [Change(f"trials.{number}", "removed", before=describe_plan(plan)) for number, plan in left.items()]
    return changes


def _diff_plan(old: TrialPlan, new: TrialPlan, number: int) -> list[Change]:
    leaves = (
        {("trials", str(number), *path): value for path, value in _list_plan_leaves(plan).items()}
        for plan in (old, new)
    )
    return _diff_leaves(*leaves)


def describe_changes(changes: Iterable[Change], most: int = 3) -> str:
    """Return the first changes in one line and the number of further ones; all changes of code count as one."""
    listed = list(changes)
    code = [change.field.removeprefix("code.") for change in listed if change.group == "code"]
    messages = [change.message for change in listed if change.group != "code"]
    if code:
        messages.append(f"the code of {', '.join(code)} changed")
    more = len(messages) - most
    return "; ".join([*messages[:most], *([f"and {more} more"] if more > 0 else [])])
