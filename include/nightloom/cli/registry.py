"""`nightloom registry`: the database of refs, nights and outcomes."""

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
def adopt(*, as_json: AsJson = False) -> None:
    """Make the store's prefix this registry's, when the one that owned it is gone: its garbage becomes ours."""
    from nightloom.core.ownership import take_over_prefix
    from nightloom.core.store import open_store
    from nightloom.registry.database import open_database
    from nightloom.registry.roots import read_registry_id

    store, registry = open_store(), read_registry_id(open_database())
    take_over_prefix(store, registry)
    where = f"prefix {store.prefix!r} of bucket {store.bucket!r}"
    show({"bucket": store.bucket, "prefix": store.prefix, "registry": registry}, f"{where} is ours", as_json=as_json)
