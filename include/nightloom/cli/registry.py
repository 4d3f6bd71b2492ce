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
