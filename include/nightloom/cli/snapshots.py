"""`nightloom snapshot`: the frozen training data."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nightloom.cli.lookup import find_id
from nightloom.cli.output import (
    CUT,
    AsJson,
    Limit,
    OfRecipe,
    format_fields,
    manifest_document,
    show,
    show_list,
    table,
    take,
)
from nightloom.core.counts import show_count

app = typer.Typer(
    name="snapshot", help="Frozen training data: list, verify, compare, export, collect garbage.", no_args_is_help=True
)

SnapshotArgument = Annotated[str, typer.Argument(metavar="SNAPSHOT", help="Id of a snapshot, or its first digits.")]


@app.command("list")
def list_snapshots(
    recipe: OfRecipe = None,
    *,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List the snapshots, newest first."""
    from nightloom.artifacts.data import Snapshot
    from nightloom.registry.database import open_database
    from nightloom.registry.members import list_newest
    from nightloom.registry.store import open_store

    store = open_store()
    documents: list[dict[str, Any]] = []
    members, is_cut = take(list_newest(open_database(), "snapshot", recipe), limit)
    for one in members:
        splits = store.load(Snapshot, one.manifest).content.splits
        documents.append({"id": one.manifest, "recipe": one.recipe, "night": one.night, "splits": splits})
    names = ("train", "selection", "test")
    rows = [[d["id"], d["recipe"], d["night"], *(d["splits"].get(name, 0) for name in names)] for d in documents]
    headings = ["snapshot", "recipe", "night", *names]
    text = table(headings, rows, empty="there is no snapshot yet")
    show_list("snapshots", documents, text, is_cut=is_cut, as_json=as_json)


@app.command("show")
def show_snapshot(
    snapshot: SnapshotArgument,
    *,
    files: Annotated[
        bool, typer.Option("--files", help="Print the addresses of its Parquet files, one per line.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a snapshot: splits, parent, files and token counts."""
    from nightloom.artifacts.data import Snapshot
    from nightloom.artifacts.training import Tokens
    from nightloom.core.digests import short
    from nightloom.registry.database import open_database
    from nightloom.registry.members import list_owners
    from nightloom.registry.questions import list_children
    from nightloom.registry.store import open_store
    from nightloom.snapshots.export import list_addresses

    store, database = open_store(), open_database()
    manifest = store.load(Snapshot, find_id(database, Snapshot, snapshot))
    if files:
        addresses = list_addresses(store, manifest)
        show({"id": manifest.id, "files": addresses}, "\n".join(addresses), as_json=as_json)
        return
    every = list_children(database, manifest.id, "tokens", "snapshot")
    encoded = {one: store.load(Tokens, one).result for one in every}
    text = format_fields(
        [
            ("snapshot", manifest.id),
            ("recipe", ", ".join(list_owners(database, manifest.id))),
            ("first made", manifest.provenance.night),
            ("parent", manifest.provenance.parent),
            *manifest.content.splits.items(),
            ("files", len(manifest.provenance.files)),
            ("rows root", manifest.content.rows_root),
            *(
                (
                    "tokens",
                    f"{short(one)}: {record.tokens} in {record.examples} examples, {record.learned_tokens} learned",
                )
                for one, record in encoded.items()
            ),
        ]
    )
    counts = [{"id": one, **record.model_dump(exclude={"frames"})} for one, record in encoded.items()]
    show({**manifest_document(manifest), "tokens": counts}, text, as_json=as_json)


@app.command()
def verify(snapshot: SnapshotArgument, *, as_json: AsJson = False) -> None:
    """Recompute every digest of a snapshot. Exit 1 if anything but erased rows has changed."""
    from nightloom.artifacts.data import Snapshot
    from nightloom.core.errors import ManifestError
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store
    from nightloom.snapshots.verify import verify_snapshot

    snapshot_id = find_id(open_database(), Snapshot, snapshot)
    erased, problem = 0, None
    try:
        erased = len(verify_snapshot(open_store(), snapshot_id).erased)
    except ManifestError as error:
        problem = str(error)
    since = f"; {show_count(erased, 'row')} erased" if erased else ""
    text = problem or f"snapshot {snapshot_id} is unchanged{since}"
    document = {"id": snapshot_id, "valid": problem is None, "erased": erased, "problem": problem}
    show(document, text, as_json=as_json)
    raise typer.Exit(1 if problem else 0)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="Id of a snapshot, or its first digits.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Id of a snapshot, or its first digits.")],
    *,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Show which rows changed from one snapshot to another, with counts by slice."""
    from nightloom.artifacts.data import Snapshot
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store
    from nightloom.snapshots.diff import CHANGES, diff_snapshots

    first, second = (find_id(open_database(), Snapshot, one) for one in (before, after))
    changed = diff_snapshots(open_store(), first, second)
    counts = changed.group_by("slice", "change").len("rows").sort("slice", "change")
    shown, is_cut = take(changed.iter_rows(named=True), limit)
    document = {"before": first, "after": second, "counts": counts.to_dicts(), "rows": shown, "cut": is_cut}
    by_slice = counts.pivot("change", index="slice", values="rows").to_dicts()
    lines = [[line["slice"], *(line.get(change) or 0 for change in CHANGES)] for line in by_slice]
    rows = [[row["row_id"], row["slice"], row["change"]] for row in shown]
    text = table(["slice", *CHANGES], lines, empty="the rows are the same")
    listed = table(["row", "slice", "change"], rows, empty="")
    more = f"\n{CUT}" if is_cut else ""
    show(document, text + (f"\n\n{listed}{more}" if rows else ""), as_json=as_json)


@app.command()
def export(
    snapshot: SnapshotArgument,
    to: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="An empty folder, or an earlier export of the same snapshot.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Export a snapshot as Parquet files for DuckDB, Polars, pandas and `datasets`."""
    from nightloom.artifacts.data import Snapshot
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store
    from nightloom.snapshots.export import export_snapshot

    snapshot_id = find_id(open_database(), Snapshot, snapshot)
    files = export_snapshot(open_store(), snapshot_id, to)
    text = f"{show_count(len(files), 'file')} in {to}, for DuckDB, Polars, pandas or `datasets`"
    show({"id": snapshot_id, "files": [str(path) for path in files]}, text, as_json=as_json)


@app.command("gc")
def collect_garbage(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be collected, and change nothing.")
    ] = False,
    grace_hours: Annotated[
        int, typer.Option("--grace-hours", min=1, help="Keep younger objects. Must be longer than any step of a night.")
    ] = 48,
    as_json: AsJson = False,
) -> None:
    """Collect objects that no night, ref, blueprint or report names: into the trash, and later for good."""
    from datetime import timedelta

    from nightloom.core.nights import utc_now
    from nightloom.registry.database import open_database
    from nightloom.registry.store import open_store
    from nightloom.snapshots.garbage import collect_garbage as collect
    from nightloom.snapshots.garbage import count_by_reason

    grace = timedelta(hours=grace_hours)
    decisions = collect(open_store(), open_database(), now=utc_now(), grace=grace, dry_run=dry_run)
    counts = count_by_reason(decisions)
    columns = ["action", "reason", "objects", "bytes"]
    document = {"dry_run": dry_run, "counts": [dict(zip(columns, line, strict=True)) for line in counts]}
    show(document, table(columns, counts, empty="the store is empty"), as_json=as_json)
