"""`nightloom registry`: the database of refs, nights, outcomes and the index of manifests."""

from dataclasses import asdict

import typer

from nightloom.cli.output import AsJson, show
from nightloom.core.counts import show_count

app = typer.Typer(
    name="registry",
    help="The database of refs, nights and outcomes: migrate, rebuild, adopt a store.",
    no_args_is_help=True,
)


@app.command()
def migrate(*, as_json: AsJson = False) -> None:
    """Create the registry, or migrate its tables to this version. Safe to run again."""
    from sqlalchemy import make_url

    from nightloom.core.connections import show_address
    from nightloom.core.settings import get_settings
    from nightloom.registry.database import open_database

    open_database().migrate()
    where = show_address(make_url(get_settings().registry_address))
    show({"registry": where, "ready": True}, f"the registry at {where} is ready", as_json=as_json)


@app.command()
def rebuild(*, as_json: AsJson = False) -> None:
    """Rebuild the index of manifests from the store. Refs, log and nights stay. Safe to stop and to run again."""
    from rich.console import Console
    from rich.progress import Progress

    from nightloom.core.errors import ManifestError
    from nightloom.registry.database import open_database
    from nightloom.registry.rebuild import rebuild_index
    from nightloom.registry.store import open_store

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("manifests", total=None)
        made = rebuild_index(
            open_store(), open_database(), lambda done, every: progress.update(task, completed=done, total=every)
        )
    if made.damaged:
        msg = (
            f"{show_count(len(made.damaged), 'manifest is', 'manifests are')} damaged and not in the index, such as "
            f"{made.damaged[0]}; "
            f"restore them from a backup of the store"
        )
        raise ManifestError(msg)
    message = (
        f"the index has {show_count(made.manifests, 'manifest')}: {made.added} were added, {made.forgotten} removed"
    )
    show(asdict(made), message, as_json=as_json)


@app.command()
def adopt(*, as_json: AsJson = False) -> None:
    """Take over the store's prefix for this registry, if the registry that owned it is lost."""
    from nightloom.core.ownership import take_over_prefix
    from nightloom.registry.database import open_database
    from nightloom.registry.roots import read_registry_id
    from nightloom.registry.store import open_store

    store, registry = open_store(), read_registry_id(open_database())
    take_over_prefix(store, registry)
    bucket, prefix = store.bucket.name, store.bucket.prefix
    where = f"prefix {prefix!r} of bucket {bucket!r}"
    show(
        {"bucket": bucket, "prefix": prefix, "registry": registry},
        f"{where} now belongs to this registry",
        as_json=as_json,
    )
