"""`nightloom blueprint compile|plan|list|show`: what determines a result, and what running it would take."""

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.cli.lookup import find_id
from nightloom.cli.output import (
    AsJson,
    Limit,
    OfRecipe,
    RecipeName,
    format_fields,
    manifest_document,
    show,
    show_list,
    table,
    take,
)
from nightloom.core.counts import show_count
from nightloom.core.digests import short
from nightloom.core.durations import show_duration

if TYPE_CHECKING:
    from nightloom.artifacts.blueprints import Blueprint, BlueprintSpec, EvalSetUse
    from nightloom.artifacts.ids import BlueprintId
    from nightloom.artifacts.results import Verdict
    from nightloom.blueprints.changes import Change
    from nightloom.blueprints.estimate import Estimate
    from nightloom.blueprints.plan import Plan, PlanItem
    from nightloom.core.store import ObjectStore
    from nightloom.registry.database import Database

app = typer.Typer(
    name="blueprint",
    help="Everything that determines a night's result: compile, plan, run, verify, replay, compare.",
    no_args_is_help=True,
)

BlueprintArgument = Annotated[str, typer.Argument(metavar="BLUEPRINT", help="Id of a blueprint, or its first digits.")]
PreparedNight = Annotated[
    str | None,
    typer.Option("--night", metavar="DATE", help="A prepared night such as 2026-11-23. Default: the latest one."),
]


@app.command("compile")
def compile_for_night(recipe: RecipeName, *, night: PreparedNight = None, as_json: AsJson = False) -> None:
    """Compile the current version of a recipe for a prepared night, and store the blueprint as the night does."""
    from nightloom.blueprints.compile import compile_recipe
    from nightloom.core.errors import InputError
    from nightloom.core.nights import Stop
    from nightloom.recipes.check import load_recipe
    from nightloom.registry.database import open_database
    from nightloom.registry.members import add_member
    from nightloom.registry.store import open_store

    settings, date = load_recipe(recipe), _find_night(recipe, night)
    blueprint = compile_recipe(open_store(), open_database(), settings, date)
    if isinstance(blueprint, Stop):
        raise InputError(blueprint.message)
    add_member(open_database(), recipe, date, blueprint.kind, blueprint.id)
    spec = blueprint.content
    pairs = [
        ("blueprint", blueprint.id),
        ("night", date),
        ("snapshot", spec.snapshot),
        ("trials", len(spec.trials)),
        *((f"eval set {use.name}", _describe_power(use)) for use in spec.eval_sets),
    ]
    effects = {use.name: use.minimum_detectable_effect for use in spec.eval_sets}
    document = {"id": blueprint.id, "recipe": recipe, "night": date, "trials": len(spec.trials)}
    show({**document, "minimum_detectable_effects": effects}, format_fields(pairs), as_json=as_json)


@app.command()
def plan(
    target: Annotated[
        str, typer.Argument(metavar="RECIPE|BLUEPRINT", help="The current version of a recipe, or a stored blueprint.")
    ],
    *,
    night: PreparedNight = None,
    as_json: AsJson = False,
) -> None:
    """Show which steps would run and why, which results exist, and the expected time and cost. Runs nothing."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.blueprints.planner import plan_blueprint, plan_recipe
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, database = open_store(), open_database()
    if is_recipe(target):
        made = plan_recipe(store, database, target, _find_night(target, night))
    else:
        made = plan_blueprint(store, database, find_id(database, Blueprint, target))
    show(_plan_document(made), _describe_plan(made), as_json=as_json)


@app.command("list")
def list_blueprints(
    recipe: OfRecipe = None,
    *,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List the blueprints, newest first, with the last verdict on each."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.registry.database import open_database
    from nightloom.registry.members import list_newest
    from nightloom.registry.store import open_store

    store, database = open_store(), open_database()
    documents = []
    members, is_cut = take(list_newest(database, "blueprint", recipe), limit)
    for one in members:
        verdict = _find_verdict(store, database, Blueprint.as_id(one.manifest))
        result = {"finding": verdict.content.finding, "promote": verdict.content.promote} if verdict else {}
        document = {"id": one.manifest, "recipe": one.recipe, "night": one.night, "finding": None, "promote": None}
        documents.append({**document, **result})
    rows = [[d["id"], d["recipe"], d["night"], _describe_verdict(d)] for d in documents]
    text = table(["blueprint", "recipe", "night", "verdict"], rows, empty="there is no blueprint yet")
    show_list("blueprints", documents, text, is_cut=is_cut, as_json=as_json)


@app.command("show")
def show_blueprint(blueprint: BlueprintArgument, *, as_json: AsJson = False) -> None:
    """Show what a blueprint pins, its trials, and the time that they took or would take."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.blueprints.planner import plan_blueprint
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, database = open_store(), open_database()
    manifest = store.load(Blueprint, find_id(database, Blueprint, blueprint))
    verdict = _find_verdict(store, database, manifest.id)
    planned = plan_blueprint(store, database, manifest.id)
    text = f"{format_fields(_list_pinned(manifest, verdict, planned))}\n\n{_describe_trials(store, manifest.content)}"
    document = {**manifest_document(manifest), "verdict": verdict.id if verdict else None}
    show({**document, "estimate": _estimate_document(planned.estimate)}, text, as_json=as_json)


def _list_pinned(manifest: "Blueprint", verdict: "Verdict | None", planned: "Plan") -> list[tuple[str, Any]]:
    from nightloom.blueprints.changes import show_value

    identity, record = manifest.content, manifest.provenance
    answer = f"{identity.task.output} of {', '.join(identity.task.field_order)}, models compared on {identity.primary}"
    return [
        ("blueprint", manifest.id),
        ("recipe", identity.recipe),
        ("first compiled", record.night),
        ("verdict", f"{verdict.content.finding}: {verdict.content.reason}" if verdict else "none yet"),
        ("snapshot", identity.snapshot),
        ("base", identity.base),
        ("tokenizer", identity.tokenizer),
        ("chat template", identity.template),
        ("prompt", identity.task.prompt),
        ("answer", answer),
        ("gate", f"promote on {identity.promote_on}, margin {identity.margin}, confidence {identity.confidence}"),
        *((f"eval set {use.name}", _describe_power(use)) for use in identity.eval_sets),
        *((("pruning", show_value(identity.pruning.model_dump(mode="json"))),) if identity.pruning else ()),
        *((("budget", show_value(identity.budget.model_dump(exclude_none=True))),) if identity.budget else ()),
        ("training", _describe_estimate(planned.estimate, planned)),
        *((f"code of {name}", digest) for name, digest in identity.code.items()),
        *identity.packages.items(),
        ("made on", f"Python {record.python}, {record.machine}"),
    ]


def _describe_trials(store: "ObjectStore", spec: "BlueprintSpec") -> str:
    """Return a table of the trials with the settings in which they differ, and below it the common settings."""
    from nightloom.artifacts.training import Divergence, Trial, identify_trial
    from nightloom.blueprints.changes import describe_plan, show_value

    plans = [describe_plan(one) for one in spec.trials]
    common = {name: value for name, value in plans[0].items() if all(one.get(name) == value for one in plans)}
    differing = sorted({name for one in plans for name in one} - common.keys())
    rows = []
    for number, plan in enumerate(plans):
        trial = store.find(Trial, planned := identify_trial(spec, number))
        done: tuple[str | None, ...] = (None, None, None, None)
        if trial:
            result = trial.result
            done = (trial.id, result.adapter, f"{result.final_loss:.4f}", show_duration(result.seconds))
        elif store.find(Divergence, planned):
            done = ("diverged", None, None, None)
        rows.append([number, *(show_value(plan.get(name)) for name in differing), *done])
    headings = ["trial", *differing, "trained", "adapter", "loss", "took"]
    shared = format_fields((name, show_value(value)) for name, value in common.items())
    return f"{table(headings, rows, empty='')}\n\nall trials:\n{shared}"


def _find_night(recipe: str, night: str | None) -> date:
    from nightloom.blueprints.compile import find_prepared_night
    from nightloom.core.nights import parse_night
    from nightloom.recipes.check import load_recipe
    from nightloom.registry.database import open_database

    load_recipe(recipe)  # first: an unknown recipe should be reported as such, and not as one without a night
    return find_prepared_night(open_database(), recipe, parse_night(night) if night else None)


def is_recipe(target: str) -> bool:
    """Whether a target is a recipe, and not the first digits of a blueprint."""
    from nightloom.core.settings import get_settings

    names = {path.stem for path in get_settings().recipes_dir.glob("*.yaml")}
    # A target that no digest can begin with is a misspelt recipe. Its error names the closest recipes.
    return target in names or bool(set(target) - set("0123456789abcdef"))


def _find_verdict(store: "ObjectStore", database: "Database", blueprint_id: "BlueprintId") -> "Verdict | None":
    """Return the last verdict on a blueprint, or None if there is none."""
    from nightloom.artifacts.results import Verdict
    from nightloom.registry.questions import list_children

    verdicts = list_children(database, blueprint_id, "verdict", "blueprint")
    return store.load(Verdict, verdicts[-1]) if verdicts else None


def _describe_verdict(document: dict[str, Any]) -> str | None:
    if document["finding"] is None:
        return None
    return f"{document['finding']}{', promoted' if document['promote'] else ''}"


def _describe_power(use: "EvalSetUse") -> str:
    return f"{show_count(use.items, 'item')}, detects differences from {use.minimum_detectable_effect}"


def _describe_plan(made: "Plan") -> str:
    parts = [format_fields(_head(made))]
    if made.previous:
        changes = [f"  {change.message}" for change in made.changes] or ["  nothing"]
        since = f"blueprint {short(made.previous.id)} (night {made.previous.provenance.night})"
        parts.append("\n".join([f"changed since {since}:", *changes]))
    parts.append(table(["step", "status", "result or reason"], map(_step_row, made.items), empty=""))
    if made.environment_changes:
        changes = [f"  {change.message}" for change in made.environment_changes]
        parts.append("\n".join(["the blueprint cannot run here, because this installation differs:", *changes]))
    if made.over_budget:
        parts.append(f"over budget: {made.over_budget}")
    return "\n\n".join(parts)


def _head(made: "Plan") -> list[tuple[str, Any]]:
    if made.blueprint is None:
        return [("recipe", made.recipe), ("night", made.night), ("blueprint", "known once the base model is frozen")]
    stored = "" if made.is_stored else "  not stored; `nightloom blueprint compile` stores it"
    return [
        ("recipe", made.recipe),
        ("night", made.night),
        ("blueprint", f"{short(made.blueprint.id)}{stored}"),
        ("training", _describe_estimate(made.estimate, made)),
    ]


def _step_row(step: "PlanItem") -> list[Any]:
    took = f", {show_duration(step.estimate.seconds)}" if step.estimate else ""
    why = f"{short(step.id)}{f' {step.reason}' if step.reason else ''}" if step.id else step.reason
    return [step.name, f"{step.status}{took}", why]


def _describe_estimate(estimate: "Estimate | None", made: "Plan") -> str:
    if estimate is None:
        waiting = any(step.name.startswith("trial") and step.status != "exists" for step in made.items)
        return "unknown: no earlier trial to estimate from" if waiting else "nothing to do: every trial exists"
    cost = "" if estimate.cost is None else f"; cost {estimate.cost:,.2f}"
    trials = "1 earlier trial" if estimate.trials == 1 else f"{estimate.trials} earlier trials"
    between = f"{show_duration(estimate.low)} to {show_duration(estimate.high)}"
    return f"{show_duration(estimate.seconds)} ({between}) on {estimate.device}, estimated from {trials}{cost}"


def _plan_document(made: "Plan") -> dict[str, Any]:
    return {
        "recipe": made.recipe,
        "night": made.night,
        "blueprint": made.blueprint.id if made.blueprint else None,
        "stored": made.is_stored,
        "since": made.previous.id if made.previous else None,
        "changes": change_documents(made.changes),
        "steps": [{**asdict(step), "estimate": _estimate_document(step.estimate)} for step in made.items],
        "environment_changes": change_documents(made.environment_changes),
        "estimate": _estimate_document(made.estimate),
        "over_budget": made.over_budget,
    }


def _estimate_document(estimate: "Estimate | None") -> dict[str, Any] | None:
    return {**asdict(estimate), "cost": estimate.cost} if estimate else None


def change_documents(changes: "list[Change]") -> list[dict[str, Any]]:
    """Return changes as JSON documents."""
    return [{**asdict(change), "group": change.group, "message": change.message} for change in changes]
