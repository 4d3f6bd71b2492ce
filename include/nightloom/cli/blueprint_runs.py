"""`nightloom blueprint run|verify|replay|diff`: run a blueprint, and compare it with this installation."""

from dataclasses import asdict
from difflib import unified_diff
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.cli.blueprints import BlueprintArgument, app, change_documents, is_recipe
from nightloom.cli.lookup import find_id
from nightloom.cli.output import AsJson, format_fields, show
from nightloom.core.digests import short
from nightloom.core.durations import show_duration

if TYPE_CHECKING:
    from nightloom.artifacts.ids import BlueprintId
    from nightloom.blueprints.diff import Difference

_ROUNDING = 1e-5
"""Difference of 32-bit weights that rounding alone can cause."""

TrialNumber = Annotated[int | None, typer.Option("--trial", min=0, metavar="NUMBER", help="Train only this trial.")]


@app.command()
def run(blueprint: BlueprintArgument, *, trial: TrialNumber = None, as_json: AsJson = False) -> None:
    """Train, pick and compare without Airflow, with the same ids. Existing results are reused. No ref is moved."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.artifacts.results import Verdict
    from nightloom.cli.progress import following_steps
    from nightloom.nightly.blueprint_run import run_blueprint
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, blueprint_id = open_store(), find_id(open_database(), Blueprint, blueprint)
    with following_steps() as on_step:
        ran = run_blueprint(store, blueprint_id, on_step, trial)
    decided = store.load(Verdict, ran.verdict).content if ran.verdict else None
    pairs = [("blueprint", blueprint_id), *((f"trial {number}", one) for number, one in ran.trials.items())]
    if decided:
        pairs += [("candidate", ran.candidate or ""), ("verdict", f"{short(str(ran.verdict))} {decided.finding}")]
        pairs += [("", decided.reason), ("", "no ref was moved")]
    finding = decided.finding if decided else None
    show({"id": blueprint_id, **asdict(ran), "finding": finding}, format_fields(pairs), as_json=as_json)


@app.command()
def verify(blueprint: BlueprintArgument, *, as_json: AsJson = False) -> None:
    """Recompute every digest, and find inputs that the blueprint does not declare. Exit 1 if anything differs."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.blueprints.verify import verify_blueprint
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    blueprint_id = find_id(open_database(), Blueprint, blueprint)
    found = verify_blueprint(open_store(), blueprint_id)
    parts = [
        ("inputs in the store", found.store, "unchanged", "damaged; the blueprint cannot be run"),
        ("this installation", found.installation, "matches the blueprint", "differs; it would give other results"),
        ("the recipe", found.recipe, "still compiles to this blueprint", "has changed since"),
    ]
    lines = [f"blueprint {blueprint_id} is {'valid' if found.is_valid else 'not valid'}"]
    for part, differences, same, changed in parts:
        lines += ["", f"{part}: {changed if differences else same}", *(f"  {one}" for one in differences)]
    show({"id": blueprint_id, "valid": found.is_valid, **asdict(found)}, "\n".join(lines), as_json=as_json)
    raise typer.Exit(0 if found.is_valid else 1)


@app.command()
def replay(
    blueprint: BlueprintArgument,
    *,
    trial: TrialNumber = None,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", min=0, help="Largest difference at which weights count as numerically equal."),
    ] = _ROUNDING,
    as_json: AsJson = False,
) -> None:
    """Train a trial again and compare its weights with the stored ones. Exit 1 if they are different."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.blueprints.replay import choose_trial, list_environment_changes, replay_on_device
    from nightloom.cli.progress import following_steps
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, blueprint_id = open_store(), find_id(open_database(), Blueprint, blueprint)
    number = choose_trial(store, blueprint_id, trial)
    changes = list_environment_changes(store, blueprint_id)
    # Shown before training: a reader who sees that the result cannot be equal need not wait.
    for message in changes or ["code, packages and machine are those that compiled the blueprint"]:
        typer.echo(message, err=True)
    with following_steps() as on_step:
        on_step("replay", f"train_trial {number}")
        found = replay_on_device(blueprint_id, number, tolerance)
    document = {"id": blueprint_id, "trial": number, "environment_changes": changes, **found}
    show(document, _describe_replay(blueprint_id, number, found), as_json=as_json)
    raise typer.Exit(1 if found["likeness"] == "different" else 0)


@app.command()
def diff(
    before: BlueprintArgument,
    after: Annotated[
        str, typer.Argument(metavar="BLUEPRINT|RECIPE", help="Another blueprint, or the current version of a recipe.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what changed from a blueprint to another or to a recipe, and which trials would be trained again."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.blueprints.diff import diff_stored, diff_with_recipe
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, database = open_store(), open_database()
    first = find_id(database, Blueprint, before)
    if is_recipe(after):
        found = diff_with_recipe(store, database, first, after)
    else:
        found = diff_stored(store, first, find_id(database, Blueprint, after))
    document = {
        "before": first,
        "after": found.after.id,
        "changes": change_documents(found.changes),
        "rows": found.rows,
        "new_trials": found.new_trials,
        "texts": {name: list(texts) for name, texts in found.texts.items()},
        "conclusion": found.conclusion,
    }
    show(document, _describe_difference(found), as_json=as_json)


def _describe_replay(blueprint_id: "BlueprintId", trial_no: int, found: dict[str, Any]) -> str:
    pairs: list[tuple[str, Any]] = [
        ("blueprint", blueprint_id),
        ("trial", trial_no),
        ("weights", found["likeness"]),
    ]
    if largest := found["largest"]:
        pairs.append(("largest", largest["name"]))
        pairs.append(("", f"difference {largest['absolute']:.3g}, {largest['relative']:.3g} of its largest element"))
        pairs.append(("compared", f"{found['tensors']} tensors, tolerance {found['tolerance']:g}"))
    pairs += [("", reason) for reason in found["reasons"][:10]]
    if len(found["reasons"]) > 10:
        pairs.append(("", f"and {len(found['reasons']) - 10} more"))
    loss = found["loss"]
    pairs.append(("loss curve", "no step in common" if loss is None else f"differs by at most {loss:.3g}"))
    where = (
        found["device"]
        if found["device"] == found["device_before"]
        else f"{found['device']}, not {found['device_before']}"
    )
    pairs.append(("trained in", f"{show_duration(found['seconds'])} on {where}"))
    return format_fields(pairs)


def _describe_difference(found: "Difference") -> str:
    from nightloom.blueprints.changes import GROUPS

    parts = [f"{short(found.before.id)} (night {found.before.provenance.night}) → {found.name}"]
    for group in GROUPS:
        lines = [f"  {change.message}" for change in found.changes if change.group == group]
        if group == "data" and found.rows is not None:
            counts = ", ".join(f"{number:,} {what}" for what, number in found.rows.items() if number)
            lines.append(f"  rows: {counts or 'the same'}")
        for name in {"task": ("prompt",), "base model": ("chat template",)}.get(group, ()):
            lines += _diff_text(found.texts[name]) if name in found.texts else []
        if lines:
            parts.append("\n".join([group, *lines]))
    return "\n\n".join([*parts, found.conclusion])


def _diff_text(texts: tuple[str, str]) -> list[str]:
    old, new = (text.splitlines() for text in texts)
    return [f"    {line}" for line in list(unified_diff(old, new, lineterm="", n=1))[2:]]
