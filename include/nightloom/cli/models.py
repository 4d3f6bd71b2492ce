"""`nightloom model`: candidates and champions, and the log of every move."""

import json
from dataclasses import asdict
from datetime import date, timedelta
from getpass import getuser
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.cli.lookup import find_id, newest
from nightloom.cli.output import AsJson, Limit, RecipeName, facts, manifest_document, show, table
from nightloom.core.digests import short

if TYPE_CHECKING:
    from nightloom.artifacts.models import TaskSpec
    from nightloom.core.recipes import Recipe
    from nightloom.promotion.importing import Found
    from nightloom.promotion.lineage import Lineage
    from nightloom.prompts.templates import Prompt
    from nightloom.registry.database import Database

app = typer.Typer(name="model", help="Candidates, champions, and the log of every move.", no_args_is_help=True)

AdapterId = Annotated[str, typer.Argument(metavar="ADAPTER", help="Id of an adapter, or its first digits.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the log.")]
OfRecipe = Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="Of this recipe only.")]


@app.command("list")
def list_models(recipe: OfRecipe = None, *, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the adapters, newest first, where each came from and how it scored; `*` marks a champion."""
    from nightloom.artifacts.models import Adapter
    from nightloom.core.store import open_store
    from nightloom.promotion.lineage import list_verdicts, read_lineage
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import list_manifests
    from nightloom.registry.refs import read_ref

    store, database = open_store(), open_database()
    verdicts = list_verdicts(store, database)
    documents: list[dict[str, Any]] = []
    for adapter_id, of_recipe, night in newest(list_manifests(database, "adapter", recipe), limit):
        adapter = store.load(Adapter, adapter_id)
        lineage = read_lineage(store, adapter, verdicts)
        documents.append(
            {
                "id": adapter_id,
                "recipe": of_recipe,
                "night": night,
                "blueprint": adapter.record.blueprint,
                "champion": of_recipe is not None and read_ref(database, of_recipe, "champion") == adapter_id,
                "source": adapter.record.source,
                "score": _describe_score(lineage),
                "parity": _describe_parity(lineage),
                "license": lineage.base.record.license if lineage.base else None,
            }
        )
    rows = [
        [
            *("*" if d["champion"] else "", d["id"], d["recipe"], d["night"]),
            *(_describe_origin(d["blueprint"], d["source"]), d["score"], d["parity"], d["license"]),
        ]
        for d in documents
    ]
    headings = ["", "adapter", "recipe", "night", "origin", "score", "parity", "license"]
    show(documents, table(headings, rows, empty="no model was trained or imported yet"), as_json=as_json)


@app.command("show")
def show_model(
    adapter: AdapterId,
    *,
    sample: Annotated[
        bool, typer.Option("--sample", help="Show instead an example that it learned from, and what of it was learned.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an adapter: where it came from, what it stands on, how it was trained, what was decided about it."""
    from nightloom.artifacts.models import Adapter
    from nightloom.core.store import open_store
    from nightloom.promotion.lineage import list_verdicts, read_lineage
    from nightloom.registry.database import open_database

    store, database = open_store(), open_database()
    manifest = store.load(Adapter, find_id(database, "adapter", adapter))
    lineage = read_lineage(store, manifest, list_verdicts(store, database))
    trial, blueprint = lineage.trial, lineage.blueprint
    if sample:
        _show_sample(store, trial, as_json=as_json)
        return
    document = {
        **manifest_document(manifest),
        "license": lineage.base.record.license if lineage.base else None,
        "lineage": [{"kind": one.kind, "id": one.id} for one in lineage.list_manifests()],
        "training": trial.record.model_dump(mode="json") if trial else None,
        "parity": [one.model_dump(mode="json") for parity in lineage.parities for one in parity.record.checks],
        "verdicts": [{"id": v.id, **v.identity.model_dump(mode="json")} for v in lineage.verdicts],
    }
    pairs = [
        ("adapter", manifest.id),
        ("origin", _describe_origin(manifest.record.blueprint, manifest.record.source)),
        ("base", manifest.identity.base),
        ("license", document["license"]),
        ("method", manifest.identity.method),
        ("blueprint", blueprint.id if blueprint else manifest.record.blueprint),
        ("bytes", sum(file.size_bytes for file in manifest.identity.files)),
    ]
    if trial:
        done = trial.record
        pairs += [
            ("examples", done.examples),
            ("steps", done.steps),
            ("loss", done.final_loss),
            ("seconds", done.seconds),
        ]
    pairs += [("score", _describe_score(lineage)), ("parity", _describe_parity(lineage))]
    pairs += [(f"verdict {v.identity.night}", f"{v.identity.finding}: {v.identity.reason}") for v in lineage.verdicts]
    show(document, facts(pairs), as_json=as_json)


@app.command()
def log(recipe: OfRecipe = None, *, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Show who moved which ref when, why and on which verdict, newest first; the chain of hashes is checked."""
    from nightloom.registry.database import open_database
    from nightloom.registry.refs import read_log

    moves = list(reversed(read_log(open_database(), recipe)))[:limit]
    columns = ["number", "moved_at", "recipe", "name", "old", "new", "night", "who", "verdict", "why"]
    documents = [asdict(move) for move in moves]
    rows = [[_shown(document[column]) for column in columns] for document in documents]
    show(documents, table(columns, rows, empty="no ref was ever moved"), as_json=as_json)


@app.command()
def promote(adapter: AdapterId, recipe: RecipeName, *, reason: Reason, as_json: AsJson = False) -> None:
    """Make an adapter the champion by hand. Predictions of the next night come from it."""
    from nightloom.artifacts.models import Adapter
    from nightloom.core.errors import InputError
    from nightloom.core.recipe_check import load_recipe
    from nightloom.core.store import open_store
    from nightloom.promotion.lineage import list_verdicts
    from nightloom.promotion.promote import promote_by_hand, refuse_unfit
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import list_manifests

    store, database, settings = open_store(), open_database(), load_recipe(recipe)
    manifest = store.load(Adapter, find_id(database, "adapter", adapter))
    owners = {owner for one, owner, _ in list_manifests(database, "adapter") if one == manifest.id}
    if recipe not in owners:
        of = ", ".join(sorted(owner for owner in owners if owner)) or "no recipe"
        msg = f"adapter {short(manifest.id)} is of {of}, not of {recipe}; `nightloom model list {recipe}` shows its own"
        raise InputError(msg)
    base, _, task = _freeze(settings)
    refuse_unfit(settings, manifest, base, task)
    verdicts = [one for one in list_verdicts(store, database) if one.identity.candidate == manifest.id]
    done = promote_by_hand(
        database,
        recipe,
        manifest.id,
        night=_find_night(database, settings),
        who=getuser(),
        why=reason,
        verdict=verdicts[-1] if verdicts else None,
    )
    show({"recipe": recipe, "champion": manifest.id, **asdict(done)}, done.sentence, as_json=as_json)


@app.command("export")
def export(
    adapter: AdapterId,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; it is made.")],
    *,
    merged: Annotated[
        bool, typer.Option("--merged", help="As one model, with its base model's weights in it.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Also into a folder that holds something else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write an adapter into a folder that transformers, peft and vLLM read, with its card and its lineage."""
    from nightloom.core.store import open_store
    from nightloom.promotion.exporting import export_model
    from nightloom.registry.database import open_database

    database = open_database()
    found = find_id(database, "adapter", adapter)
    done = export_model(open_store(), database, found, folder, merged=merged, force=force)
    show(asdict(done), f"{done.form} {short(done.adapter)} is in {folder}: {', '.join(done.files)}", as_json=as_json)


@app.command("import")
def import_model(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with an adapter, or a model tuned whole.")],
    recipe: RecipeName,
    *,
    base: Annotated[str | None, typer.Option("--base", help="Its base model; none: the recipe's `train.base`.")] = None,
    champion: Annotated[bool, typer.Option("--champion", help="Make it the recipe's first champion.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is the champion, for the log.")] = None,
    as_json: AsJson = False,
) -> None:
    """Adopt an adapter that was trained elsewhere, with the verdict and lineage that came with it."""
    from nightloom.core.recipe_check import load_recipe
    from nightloom.core.store import open_store
    from nightloom.promotion.importing import adopt_model, read_folder
    from nightloom.promotion.promote import promote_by_hand
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import index_manifest

    store, database, settings = open_store(), open_database(), load_recipe(recipe)
    if champion:
        _refuse_second(database, recipe, reason)
    found = read_folder(store, folder)
    frozen, prompt, task = _freeze(settings, base)
    store.publish(prompt)
    adapter, told = adopt_model(store, found, settings, base=frozen, task=task, source=folder.resolve().name)
    index_manifest(database, "adapter", adapter.id, recipe, None)
    notes = [*told, *_note_base(found, settings, base)]
    lines = [f"adapter {short(adapter.id)} was imported for {recipe}", *(f"note: {note}" for note in notes)]
    if champion:
        night = _find_night(database, settings)
        done = promote_by_hand(database, recipe, adapter.id, night=night, who=getuser(), why=str(reason))
        lines.append(done.sentence)
    document = {"adapter": adapter.id, "recipe": recipe, "champion": champion, "notes": notes}
    show(document, "\n".join(lines), as_json=as_json)


def _note_base(found: "Found", recipe: "Recipe", given: str | None) -> list[str]:
    """Say it where an adapter names another base model than the recipe; digests have told of one with a lineage."""
    named = recipe.train.base.partition("@")[0]
    if given or found.lineage or found.base in (None, named, Path(named).name):
        return []
    return [
        f"it names base model {str(found.base)[:200]!r}, and was put on the recipe's {named!r}; --base names another"
    ]


def _refuse_second(database: "Database", recipe: str, reason: str | None) -> None:
    from nightloom.core.errors import InputError
    from nightloom.registry.refs import read_ref

    if not reason:
        msg = "--champion needs a --reason, which stands in the log"
        raise InputError(msg)
    present = read_ref(database, recipe, "champion")
    if present:
        msg = (
            f"{recipe} has a champion, {short(present)}; import without --champion: then `nightloom model promote` "
            f"replaces it by hand"
        )
        raise InputError(msg)


@app.command()
def rollback(
    recipe: RecipeName,
    *,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Make the champion before the present one the champion again. Predictions of the next night come from it."""
    from nightloom.cli.lookup import find_night
    from nightloom.promotion.promote import roll_back_champion
    from nightloom.registry.database import open_database
    from nightloom.registry.refs import read_ref

    database = open_database()
    night = find_night(database, recipe, None)
    done = roll_back_champion(database, recipe, night=night, who=getuser(), why=reason)
    document = {"recipe": recipe, "champion": read_ref(database, recipe, "champion"), "sentence": done.sentence}
    show(document, done.sentence, as_json=as_json)


def _show_sample(store: Any, trial: Any, *, as_json: bool) -> None:
    """Show the tokens of a trial's sample, those that follow each other and were learned, or were not, together."""
    from nightloom.artifacts.frames import LABELS, get_frame
    from nightloom.core.errors import InputError

    if trial is None or trial.record.sample is None:
        msg = "the adapter has no sample: it was not trained here, or by a trainer that has no tokens"
        raise InputError(msg)
    tokens = get_frame(store, trial.record.sample, LABELS).to_dicts()
    runs = [(learned, [one["token"] for one in run]) for learned, run in groupby(tokens, itemgetter("learned"))]
    rows = [
        ["learned" if learned else "shown", len(run), json.dumps("".join(run), ensure_ascii=False)]
        for learned, run in runs
    ]
    show(tokens, table(["", "tokens", "text"], rows, empty="its row was erased"), as_json=as_json)


def _describe_origin(blueprint: str | None, source: str | None) -> str:
    return f"imported from {source}" if source else f"trained by {short(blueprint)}" if blueprint else "unknown"


def _describe_score(lineage: "Lineage") -> str | None:
    """Give the metric that decided the last verdict, with its interval."""
    if not lineage.verdicts or not lineage.verdicts[-1].identity.comparisons:
        return None
    decided = lineage.verdicts[-1].identity
    first = decided.comparisons[0]
    scores = (one for one in decided.scores if (one.role, one.eval_set) == ("candidate", first.eval_set))
    metrics = (one for each in scores for one in each.metrics if (one.name, one.slice) == (first.metric, None))
    metric = next(metrics, None)
    if metric is None or metric.value is None:
        return None
    return f"{metric.name} {metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}] n={metric.n}"


def _describe_parity(lineage: "Lineage") -> str | None:
    if not lineage.parities:
        return None
    last = lineage.parities[-1]
    return last.mismatch or f"{len(last.record.checks)} of {len(last.record.checks)}"


def _find_night(database: "Database", recipe: "Recipe") -> date:
    """Give the night by which a person moves the champion: the latest; before the first one, the one before it."""
    from nightloom.core.nights import night_of, utc_now
    from nightloom.registry.nights import read_outcomes

    last = read_outcomes(database, recipe.name, date.max, 1)
    return last[0].night if last else night_of(utc_now(), recipe.timezone) - timedelta(days=1)


def _freeze(recipe: "Recipe", base: str | None = None) -> tuple[str, "Prompt", "TaskSpec"]:
    """Give the id of a recipe's base model, its prompt, and what it asks."""
    from nightloom.artifacts.models import specify_task
    from nightloom.core.settings import get_settings
    from nightloom.core.worker import run_in_worker
    from nightloom.prompts.templates import read_prompt

    prompt = read_prompt(get_settings().prompts_dir, recipe.task.prompt)
    frozen = run_in_worker("training.bases:run_freeze", base=base or recipe.train.base)
    return str(frozen["base"]), prompt, specify_task(recipe.task, prompt.id)


def _shown(value: Any) -> Any:
    return value.strftime("%Y-%m-%d %H:%M:%SZ") if hasattr(value, "hour") else value
