"""The command line of the embedded services, which `make` calls."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from nightloom.core.errors import FaultError, NightloomError
from nightloom.core.settings import get_settings
from nightloom.embedded import lifecycle
from nightloom.embedded.nightly import feed_new_example, run_nightly
from nightloom.recipes.check import load_recipes

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def up(
    *,
    store_only: Annotated[
        bool, typer.Option("--store-only", help="Start only the object store, without Airflow.")
    ] = False,
) -> None:
    """Start the services and wait until they are ready."""
    instance = lifecycle.up(get_settings().var_dir, airflow=not store_only)
    if not store_only:
        get_settings.cache_clear()  # `up` has just written the file that they are read from
        feed_new_example(instance, load_recipes()[0].values())
    typer.echo(f"object store  {instance.s3_url}")
    if not store_only:
        typer.echo(lifecycle.describe_login(instance))


@app.command()
def down() -> None:
    """Stop the services and all of their processes."""
    lifecycle.down(get_settings().var_dir)
    typer.echo("the services are stopped")


@app.command()
def status() -> None:
    """Show the state of each service. Exit 1 if one does not run."""
    states = lifecycle.status(get_settings().var_dir)
    for name, state in states.items():
        typer.echo(f"{name:15} {state}")
    if not states:
        typer.echo("no service runs; `make up` starts them")
    if not states or set(states.values()) != {"RUNNING"}:
        raise typer.Exit(1)


@app.command()
def nightly(
    recipe: Annotated[str, typer.Option(help="Name of a recipe.")] = "support_triage",
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder for `{data}` in the recipe.")
    ] = None,
    night: Annotated[str | None, typer.Option(help="A date such as 2026-11-23. Default: tonight.")] = None,
) -> None:
    """Run a whole night through Airflow. Exit 3 if a stage failed."""
    raise typer.Exit(run_nightly(recipe, data=data, night=night, console=Console(soft_wrap=True, highlight=False)))


def main() -> None:
    """Run a command. An error is a message and an exit code."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    for name in ("nightloom.embedded", "nightloom.processes.parent"):
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("stopped watching; Airflow continues the night, and the same command follows it again", err=True)
        sys.exit(130)
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        typer.echo(f"error: the operating system reported: {error.strerror}{where}", err=True)
        sys.exit(FaultError.exit_code)
    except NightloomError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
