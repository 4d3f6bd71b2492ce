"""The command line of the embedded services; `make` calls it."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from nightloom.core.errors import FaultError, NightloomError
from nightloom.core.settings import get_settings
from nightloom.embedded import lifecycle
from nightloom.embedded.nightly import run_nightly

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def up(
    *, store_only: Annotated[bool, typer.Option("--store-only", help="The object store without Airflow.")] = False
) -> None:
    """Start the services and wait until they answer."""
    instance = lifecycle.up(get_settings().var_dir, airflow=not store_only)
    typer.echo(f"object store  {instance.s3_url}")
    if not store_only:
        typer.echo(lifecycle.describe_login(instance))


@app.command()
def down() -> None:
    """Stop the services; nothing is left behind."""
    lifecycle.down(get_settings().var_dir)
    typer.echo("the services are stopped")


@app.command()
def status() -> None:
    """Describe which services run; exit 1 when one does not."""
    states = lifecycle.status(get_settings().var_dir)
    for name, state in states.items():
        typer.echo(f"{name:15} {state}")
    if not states:
        typer.echo("nothing runs; `make up` starts the services")
    if not states or set(states.values()) != {"RUNNING"}:
        raise typer.Exit(1)


@app.command()
def nightly(
    recipe: Annotated[str, typer.Option(help="Name of a recipe.")] = "support_triage",
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder that `{data}` in the recipe stands for.")
    ] = None,
    night: Annotated[str | None, typer.Option(help="A date; default: tonight.")] = None,
) -> None:
    """Run one whole night through Airflow; exit 3 when a stage failed."""
    raise typer.Exit(run_nightly(recipe, data=data, night=night, console=Console(soft_wrap=True, highlight=False)))


def main() -> None:
    """Run a command; an error is one sentence and an exit code."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    for name in ("nightloom.embedded", "nightloom.processes.parent"):
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("stopped watching; what runs in Airflow goes on, and the same command follows it again", err=True)
        sys.exit(130)
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        typer.echo(f"error: the machine refused: {error.strerror}{where}", err=True)
        sys.exit(FaultError.exit_code)
    except NightloomError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
