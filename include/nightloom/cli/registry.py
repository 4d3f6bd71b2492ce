"""`nightloom registry`: the database of refs, nights and outcomes."""

from dataclasses import asdict

import typer

from nightloom.cli.output import AsJson, show

app = typer.Typer(name="registry", help="The database of refs, nights and outcomes.", no_args_is_help=True)


@app.command()
def migrate(*, as_json: AsJson = False) -> None:
    """Create the registry, or bring it to the shape that this version needs. Safe to run again."""
    from sqlalchemy import make_url

    from nightloom.core.settings import get_settings
    from nightloom.registry.database import open_database

    open_database().migrate()
    where = make_url(get_settings().registry_address).render_as_string(hide_password=True)
    show({"registry": where, "ready": True}, f"the registry at {where} is ready", as_json=as_json)


@app.command()
def rebuild(*, as_json: AsJson = False) -> None:
    """Make the index of manifests again from the store; refs, log and nights stay. Safe to run again, and to stop."""
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
            f"the index has all manifests but {len(made.damaged)}, which are damaged, such as {made.damaged[0]}; "
            f"restore them from a backup of the store"
        )
        raise ManifestError(msg)
    sentence = f"the index has the store's {made.manifests} manifests: {made.added} are new, {made.forgotten} were gone"
    show(asdict(made), sentence, as_json=as_json)


@app.command()
def adopt(*, as_json: AsJson = False) -> None:
    """Make the store's prefix this registry's, when the one that owned it is gone: its garbage becomes ours."""
    from nightloom.core.ownership import take_over_prefix
    from nightloom.registry.database import open_database
    from nightloom.registry.roots import read_registry_id
    from nightloom.registry.store import open_store

    store, registry = open_store(), read_registry_id(open_database())
    take_over_prefix(store, registry)
    bucket, prefix = store.bucket.name, store.bucket.prefix
    where = f"prefix {prefix!r} of bucket {bucket!r}"
    show({"bucket": bucket, "prefix": prefix, "registry": registry}, f"{where} is ours", as_json=as_json)
