"""`nightloom model`: candidates and champions, and the log of every move."""

import json
from dataclasses import asdict
from getpass import getuser
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any

import typer

from nightloom.cli.lookup import find_id, newest
from nightloom.cli.output import AsJson, Limit, RecipeName, facts, manifest_document, show, table

app = typer.Typer(name="model", help="Candidates, champions, and the log of every move.", no_args_is_help=True)

OfRecipe = Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="Of this recipe only.")]


@app.command("list")
def list_models(recipe: OfRecipe = None, *, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the adapters, newest first; `*` marks a champion."""
    from nightloom.artifacts.models import Adapter
    from nightloom.core.store import open_store
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import list_manifests
    from nightloom.registry.refs import read_ref

    store, database = open_store(), open_database()
    documents = []
    for adapter, of_recipe, night in newest(list_manifests(database, "adapter", recipe), limit):
        champion = of_recipe is not None and read_ref(database, of_recipe, "champion") == adapter
        made_by = store.load(Adapter, adapter).record.blueprint
        documents.append(
            {"id": adapter, "recipe": of_recipe, "night": night, "blueprint": made_by, "champion": champion}
        )
    rows = [["*" if d["champion"] else "", d["id"], d["recipe"], d["night"], d["blueprint"]] for d in documents]
    text = table(["", "adapter", "recipe", "night", "blueprint"], rows, empty="no model was trained yet")
    show(documents, text, as_json=as_json)


@app.command("show")
def show_model(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER", help="Id of an adapter, or its first digits.")],
    *,
    sample: Annotated[
        bool, typer.Option("--sample", help="Show instead an example that it learned from, and what of it was learned.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an adapter: what it stands on, how it was trained, what was decided about it."""
    from nightloom.artifacts.models import Adapter
    from nightloom.core.store import open_store
    from nightloom.registry.database import open_database

    store, database = open_store(), open_database()
    manifest = store.load(Adapter, find_id(database, "adapter", adapter))
    trial = _find_trial(store, manifest)
    if sample:
        _show_sample(store, trial, as_json=as_json)
        return
    verdicts = _find_verdicts(store, database, manifest.id)
    document = {
        **manifest_document(manifest),
        "training": trial.record.model_dump(mode="json") if trial else None,
        "verdicts": [{"id": v.id, **v.identity.model_dump(mode="json")} for v in verdicts],
    }
    pairs = [
        ("adapter", manifest.id),
        ("base", manifest.identity.base),
        ("method", manifest.identity.method),
        ("blueprint", manifest.record.blueprint),
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
    pairs += [(f"verdict {v.identity.night}", f"{v.identity.finding}: {v.identity.reason}") for v in verdicts]
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
def rollback(
    recipe: RecipeName,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the log.")],
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


def _find_trial(store: Any, adapter: Any) -> Any:
    """Give the trial that made an adapter; nothing for one that was not trained here."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.artifacts.training import Trial, identify_trial

    made_by = adapter.record
    if made_by.blueprint is None:
        return None
    return store.find(Trial, identify_trial(store.load(Blueprint, made_by.blueprint).identity, made_by.trial))


def _find_verdicts(store: Any, database: Any, adapter: str) -> list[Any]:
    from nightloom.artifacts.results import Verdict
    from nightloom.registry.nights import list_manifests

    verdicts = [store.load(Verdict, manifest) for manifest, _, _ in list_manifests(database, "verdict")]
    return [verdict for verdict in verdicts if verdict.identity.candidate == adapter]


def _shown(value: Any) -> Any:
    return value.strftime("%Y-%m-%d %H:%M:%SZ") if hasattr(value, "hour") else value
