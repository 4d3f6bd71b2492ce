"""Diff: two blueprints compared, with the rows and texts behind them and the trials that would be trained."""

import json
from dataclasses import dataclass, field

from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec
from nightloom.artifacts.ids import BaseId, BlueprintId, PromptId, SnapshotId
from nightloom.artifacts.models import BaseModelManifest
from nightloom.artifacts.prompts import Prompt, PromptContent
from nightloom.artifacts.training import identify_trial
from nightloom.base_models.freeze import find_frozen
from nightloom.blueprints.changes import Change, describe_changes, diff_blueprints, diff_trials, list_new_trials
from nightloom.blueprints.compile import (
    draft_recipe,
    find_preparation,
    find_prepared_night,
)
from nightloom.blueprints.explain import add_row_counts
from nightloom.core.digests import short
from nightloom.core.errors import InputError, ManifestError
from nightloom.core.nights import Stop
from nightloom.core.settings import get_settings
from nightloom.core.store import ObjectStore
from nightloom.prompts.templates import read_prompt
from nightloom.recipes.check import load_recipe
from nightloom.registry.database import Database
from nightloom.snapshots.diff import CHANGES, diff_snapshots

_TEMPLATE_FILE, _TOKENIZER_FILE = "chat_template.jinja", "tokenizer_config.json"


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one blueprint to another.

    Attributes:
        before: Earlier blueprint.
        after: Later blueprint, which may not be stored.
        name: Name of the later blueprint, for people.
        changes: Field by field.
        rows: Number of changed snapshot rows by kind of change, or None if the snapshot is the same or missing.
        texts: Name of a changed text → both versions.
        new_trials: Numbers of the later blueprint's trials that the earlier one does not have.
        conclusion: Which trials would be trained, and why.
    """

    before: Blueprint
    after: Blueprint
    name: str
    changes: list[Change]
    new_trials: list[int]
    conclusion: str
    rows: dict[str, int] | None = None
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)


def diff_stored(store: ObjectStore, before_id: BlueprintId, after_id: BlueprintId) -> Difference:
    """Return what changed between two stored blueprints.

    Raises:
        ManifestError: One of them is not in the store.
    """
    old, new = (store.load(Blueprint, one) for one in (before_id, after_id))
    prompts = {one.content.task.prompt: _find_prompt(store, one.content.task.prompt) for one in (old, new)}
    return _diff(store, old, new, f"{short(new.id)} (night {new.provenance.night})", prompts)


def diff_with_recipe(store: ObjectStore, database: Database, before_id: BlueprintId, recipe: str) -> Difference:
    """Return what changed from a stored blueprint to the current recipe, compiled on the latest prepared night.

    Raises:
        InputError: The recipe cannot be used, or its base model has to be frozen first.
    """
    old, settings = store.load(Blueprint, before_id), load_recipe(recipe)
    night = find_prepared_night(database, recipe, None)
    prepared = find_preparation(store, database, recipe, night)
    if isinstance(prepared, Stop):
        raise InputError(prepared.message)
    frozen = find_frozen(store, settings.train.base)
    if frozen is None:
        msg = (
            f"base model {settings.train.base} is not frozen yet; freeze it with `nightloom blueprint compile {recipe}`"
        )
        raise InputError(msg)
    new = draft_recipe(store, settings, night, prepared, frozen)
    asked = read_prompt(get_settings().prompts_dir, settings.task.prompt)
    prompts = {old.content.task.prompt: _find_prompt(store, old.content.task.prompt), asked.id: asked.content}
    return _diff(store, old, new, f"the current recipe {recipe} (night {night})", prompts)


def _diff(
    store: ObjectStore, old: Blueprint, new: Blueprint, name: str, prompts: dict[PromptId, PromptContent | None]
) -> Difference:
    changes = [add_row_counts(store, change) for change in diff_blueprints(old.content, new.content)]
    fields = {change.field for change in changes}
    texts: dict[str, tuple[str, str]] = {}
    asked = [prompts[one.content.task.prompt] for one in (old, new)]
    if "task.prompt" in fields and asked[0] and asked[1]:
        texts["prompt"] = _as_text(asked[0]), _as_text(asked[1])
    if "template" in fields:
        found = [_find_template(store, one.content.base) for one in (old, new)]
        if found[0] is not None and found[1] is not None:
            texts["chat template"] = found[0], found[1]
    new_trials = list_new_trials(old.content, new.content)
    return Difference(
        before=old,
        after=new,
        name=name,
        changes=changes,
        new_trials=new_trials,
        conclusion=_conclude(old.content, new.content, changes, new_trials),
        rows=_count_rows(store, old.content.snapshot, new.content.snapshot) if "snapshot" in fields else None,
        texts=texts,
    )


def _conclude(old: BlueprintSpec, new: BlueprintSpec, changes: list[Change], new_trials: list[int]) -> str:
    if not changes:
        return "both are the same blueprint"
    if not new_trials:
        return "nothing that affects training changed: no trial would run"
    wanted = identify_trial(new, new_trials[0])
    nearest = min(
        (diff_trials(identify_trial(old, number), wanted, new_trials[0]) for number in range(len(old.trials))), key=len
    )
    some = f"all {len(new_trials)} trials" if len(new_trials) > 1 else "the trial"
    if len(new_trials) < len(new.trials):
        some = f"trial{'s' if len(new_trials) > 1 else ''} {', '.join(map(str, new_trials))} of {len(new.trials)}"
    return f"{some} would be trained, because {describe_changes(nearest)}"


def _count_rows(store: ObjectStore, before: SnapshotId, after: SnapshotId) -> dict[str, int] | None:
    try:
        changed = diff_snapshots(store, before, after)["change"].to_list()
    except ManifestError:
        return None
    return {change: changed.count(change) for change in CHANGES}


def _find_prompt(store: ObjectStore, prompt_id: PromptId) -> PromptContent | None:
    prompt = store.load_if_there(Prompt, prompt_id)
    return prompt.content if prompt else None


def _as_text(prompt: PromptContent) -> str:
    return "\n".join(f"{message.role}: {message.content}" for message in prompt.messages)


def _find_template(store: ObjectStore, base_id: BaseId) -> str | None:
    """Return the text of a base model's chat template, or None if its files hold none."""
    try:
        files = {file.path: file.sha256 for file in store.load(BaseModelManifest, base_id).content.files}
        if _TEMPLATE_FILE in files:
            return store.get_blob(files[_TEMPLATE_FILE]).decode()
        template = json.loads(store.get_blob(files[_TOKENIZER_FILE]))["chat_template"]
    except (ManifestError, KeyError, ValueError):
        return None
    return template if isinstance(template, str) else None
