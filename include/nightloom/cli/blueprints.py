"""`nightloom blueprint`: what determined a result."""

from dataclasses import asdict
from typing import Annotated

import typer

from nightloom.cli.lookup import find_id, newest
from nightloom.cli.output import AsJson, Limit, facts, manifest_document, show, table

app = typer.Typer(name="blueprint", help="All that determines a night's result.", no_args_is_help=True)

BlueprintId = Annotated[str, typer.Argument(metavar="BLUEPRINT", help="Id of a blueprint, or its first digits.")]


@app.command("list")
def list_blueprints(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="Of this recipe only.")] = None,
    *,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List the blueprints, newest first."""
    from nightloom.registry.database import open_database
    from nightloom.registry.nights import list_manifests

    found = newest(list_manifests(open_database(), "blueprint", recipe), limit)
    document = [{"id": manifest, "recipe": of_recipe, "night": night} for manifest, of_recipe, night in found]
    text = table(["blueprint", "recipe", "first compiled"], found, empty="there is no blueprint yet")
    show(document, text, as_json=as_json)


@app.command("show")
def show_blueprint(blueprint: BlueprintId, *, as_json: AsJson = False) -> None:
    """Show what a blueprint pins."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.core.store import open_store
    from nightloom.registry.database import open_database

    manifest = open_store().load(Blueprint, find_id(open_database(), "blueprint", blueprint))
    identity, record = manifest.identity, manifest.record
    pairs = [
        ("blueprint", manifest.id),
        ("recipe", identity.recipe),
        ("first compiled", record.night),
        ("snapshot", identity.snapshot),
        ("base", identity.base),
        ("prompt", identity.task.prompt),
        ("answer", ", ".join(identity.task.field_order)),
        ("primary", identity.primary),
        ("promote on", f"{identity.promote_on}, margin {identity.margin}, confidence {identity.confidence}"),
        *(
            (f"eval set {use.name}", f"{use.items} items, finds differences of {use.minimum_detectable_effect}")
            for use in identity.eval_sets
        ),
        *((f"trial {n}", f"{t.trainer} {t.method}, seed {t.seed}") for n, t in enumerate(identity.trials)),
        ("code", identity.code),
        *identity.packages.items(),
        ("made on", f"Python {record.python}, {record.machine}"),
    ]
    show(manifest_document(manifest), facts(pairs), as_json=as_json)


@app.command()
def verify(blueprint: BlueprintId, *, as_json: AsJson = False) -> None:
    """Recompute every digest that a blueprint names. Exit 1 when something differs."""
    from nightloom.blueprints.verify import verify_blueprint
    from nightloom.core.store import open_store
    from nightloom.registry.database import open_database

    blueprint_id = find_id(open_database(), "blueprint", blueprint)
    differences = verify_blueprint(open_store(), blueprint_id)
    text = "\n".join(differences) or f"all that blueprint {blueprint_id} names is as it was"
    show({"id": blueprint_id, "sound": not differences, "differences": differences}, text, as_json=as_json)
    raise typer.Exit(1 if differences else 0)


@app.command()
def diff(before: BlueprintId, after: BlueprintId, *, as_json: AsJson = False) -> None:
    """Tell what changed between two blueprints."""
    from nightloom.artifacts.blueprints import Blueprint
    from nightloom.blueprints.diff import diff_blueprints
    from nightloom.core.store import open_store
    from nightloom.registry.database import open_database

    store, database = open_store(), open_database()
    old, new = (store.load(Blueprint, find_id(database, "blueprint", given)) for given in (before, after))
    differences = diff_blueprints(old, new)
    document = {"before": old.id, "after": new.id, "differences": [asdict(each) for each in differences]}
    show(document, "\n".join(each.sentence for each in differences) or "they are one blueprint", as_json=as_json)
