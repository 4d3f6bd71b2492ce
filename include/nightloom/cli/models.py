"""`nightloom model list|show|log`: adapters, champions, and the log of every move."""

import json
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightloom.cli.lookup import find_id, find_owner, require_recipe
from nightloom.cli.output import AsJson, Limit, OfRecipe, format_fields, manifest_document, show, show_list, table, take
from nightloom.core.digests import short

if TYPE_CHECKING:
    from nightloom.exchange.lineage import Lineage

app = typer.Typer(
    name="model", help="Adapters and champions: list, promote, roll back, export, import.", no_args_is_help=True
)

AdapterArgument = Annotated[str, typer.Argument(metavar="ADAPTER", help="Id of an adapter, or its first digits.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help="Recipe of the adapter, if several recipes have it.",
        callback=require_recipe,
    ),
]


@app.command("list")
def list_models(recipe: OfRecipe = None, *, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the adapters, newest first, with origin and score. `*` marks the champion."""
    from nightloom.artifacts.models import Adapter
    from nightloom.exchange.lineage import read_lineage
    from nightloom.registry.database import open_database
    from nightloom.registry.members import list_newest
    from nightloom.registry.refs import read_ref
    from nightloom.registry.store import open_store

    store, database = open_store(), open_database()
    documents: list[dict[str, Any]] = []
    members, is_cut = take(list_newest(database, "adapter", recipe), limit)
    for one in members:
        adapter = store.load(Adapter, one.manifest)
        lineage = read_lineage(store, database, adapter, one.recipe)
        documents.append(
            {
                "id": one.manifest,
                "recipe": one.recipe,
                "night": one.night,
                "blueprint": lineage.blueprint.id if lineage.blueprint and not lineage.imported else None,
                "champion": read_ref(database, one.recipe, "champion") == one.manifest,
                "source": lineage.imported.provenance.source if lineage.imported else None,
                "origin": _describe_origin(lineage),
                "score": _describe_score(lineage),
                "parity": _describe_parity(lineage),
                "license": lineage.base.provenance.license if lineage.base else None,
            }
        )
    rows = [
        [
            *("*" if d["champion"] else "", d["id"], d["recipe"], d["night"]),
            *(d["origin"], d["score"], d["parity"], d["license"]),
        ]
        for d in documents
    ]
    headings = ["", "adapter", "recipe", "night", "origin", "score", "parity", "license"]
    text = table(headings, rows, empty="no model was trained or imported yet")
    show_list("models", documents, text, is_cut=is_cut, as_json=as_json)


@app.command("show")
def show_model(
    adapter: AdapterArgument,
    *,
    recipe: AsOf = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Show instead a training example and which of its tokens were learned.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show an adapter: its origin, base model, training, scores and verdicts."""
    from nightloom.artifacts.models import Adapter
    from nightloom.exchange.lineage import read_lineage
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store

    store, database = open_store(), open_database()
    manifest = store.load(Adapter, find_id(database, Adapter, adapter))
    owner = find_owner(database, manifest.id, recipe)
    lineage = read_lineage(store, database, manifest, owner)
    trial, blueprint = lineage.trial, lineage.blueprint
    if sample:
        _show_sample(store, trial, as_json=as_json)
        return
    document = {
        **manifest_document(manifest),
        "recipe": owner,
        "task": lineage.task.model_dump(mode="json") if lineage.task else None,
        "license": lineage.base.provenance.license if lineage.base else None,
        "lineage": [{"kind": one.kind, "id": one.id} for one in lineage.list_manifests()],
        "training": trial.result.model_dump(mode="json") if trial else None,
        "parity": [one.model_dump(mode="json") for parity in lineage.parities for one in parity.result.checks],
        "verdicts": [{"id": v.id, **v.content.model_dump(mode="json")} for v in lineage.verdicts],
    }
    pairs = [
        ("adapter", manifest.id),
        ("recipe", owner),
        ("origin", _describe_origin(lineage)),
        ("base", manifest.content.base),
        ("license", document["license"]),
        ("method", manifest.content.method),
        ("blueprint", blueprint.id if blueprint else None),
        ("bytes", sum(file.size_bytes for file in manifest.content.files)),
    ]
    if trial:
        done = trial.result
        pairs += [
            ("examples", done.examples),
            ("steps", done.steps),
            ("loss", done.final_loss),
            ("seconds", done.seconds),
        ]
    pairs += [("score", _describe_score(lineage)), ("parity", _describe_parity(lineage))]
    pairs += [(f"verdict {v.content.night}", f"{v.content.finding}: {v.content.reason}") for v in lineage.verdicts]
    show(document, format_fields(pairs), as_json=as_json)


@app.command()
def log(recipe: OfRecipe = None, *, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Show who moved which ref when and why, newest first. `nightloom doctor` checks the log's hashes."""
    from nightloom.registry.database import open_database
    from nightloom.registry.refs import read_log_tail

    moves, is_cut = take(reversed(read_log_tail(open_database(), recipe, limit=limit + 1)), limit)
    columns = ["number", "moved_at", "recipe", "name", "old", "new", "night", "who", "cites", "why"]
    documents = [asdict(move) for move in moves]
    rows = [[_format_time(document[column]) for column in columns] for document in documents]
    text = table(columns, rows, empty="no ref was ever moved")
    show_list("moves", documents, text, is_cut=is_cut, as_json=as_json)


def _show_sample(store: Any, trial: Any, *, as_json: bool) -> None:
    """Show the tokens of a trial's sample, grouped into runs of learned and other tokens."""
    from nightloom.artifacts.frames import LABELS, get_frame
    from nightloom.core.errors import InputError

    if trial is None or trial.result.sample is None:
        msg = "the adapter has no sample: it was imported, or its trainer has no tokens; choose another adapter"
        raise InputError(msg)
    tokens = get_frame(store, trial.result.sample, LABELS).to_dicts()
    runs = [(learned, [one["token"] for one in run]) for learned, run in groupby(tokens, itemgetter("learned"))]
    rows = [
        ["learned" if learned else "context", len(run), json.dumps("".join(run), ensure_ascii=False)]
        for learned, run in runs
    ]
    show(tokens, table(["", "tokens", "text"], rows, empty="the row of the sample was erased"), as_json=as_json)


def _describe_origin(lineage: "Lineage") -> str:
    if lineage.imported:
        return f"imported from {lineage.imported.provenance.source}"
    return f"trained by {short(lineage.blueprint.id)}" if lineage.blueprint else "unknown"


def _describe_score(lineage: "Lineage") -> str | None:
    """Return the metric that decided the last verdict with its interval, or None if there is none."""
    from nightloom.artifacts.showing import show_metric

    metric = lineage.verdicts[-1].content.deciding_metric if lineage.verdicts else None
    return show_metric(metric) if metric else None


def _describe_parity(lineage: "Lineage") -> str | None:
    if not lineage.parities:
        return None
    last = lineage.parities[-1]
    return last.mismatch or f"{len(last.result.checks)} of {len(last.result.checks)}"


def _format_time(value: Any) -> Any:
    return value.strftime("%Y-%m-%d %H:%M:%SZ") if hasattr(value, "hour") else value
