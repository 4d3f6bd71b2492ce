"""`nightloom`: all commands, and the one place that turns errors into a message and an exit code.

Commands import what they need in their functions: `nightloom --help` must not load Polars, torch or a database.
"""

import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from nightloom.cli import (
    blueprint_runs,
    doctor,
    model_moves,
    nights,
    predictions,
    quarantine,
    recipes,
    registry,
    rows,
    snapshots,
)
from nightloom.cli.output import describe_fault
from nightloom.core.env_file import exported_env_file
from nightloom.core.errors import NightloomError

app = typer.Typer(
    name="nightloom",
    help="Fine-tune, compare and run language models every night.",
    epilog="Exit codes: 0 done; 1 the answer is no (check, verify, replay, doctor); 2 invalid input; 3 a fault.",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (nights.run, nights.predict, nights.report, doctor.doctor):
    app.command()(_command)
for _group in (nights, recipes, snapshots, quarantine, rows, predictions, blueprint_runs, model_moves, registry):
    app.add_typer(_group.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Errors are messages on standard error, without traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        with exported_env_file():
            code = app(given or ["--help"], prog_name="nightloom", standalone_mode=False)
    except NightloomError as error:
        return _fail(str(error), type(error).__name__, error.exit_code, given)
    except typer.TyperException as error:
        # A group without a command has no message: its help has been printed.
        return _fail(error.format_message(), "UsageError", 2, given) if error.format_message() else 2
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # The reader of standard output has ended. Closing the interpreter must not write to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f" at {error.filename}" if error.filename else ""
        return _fail(
            f"the operating system reported: {error.strerror}{where}; `nightloom doctor` checks the machine",
            "OSError",
            3,
            given,
        )
    except Exception as error:
        return _fail(describe_fault(error), type(error).__name__, 3, given)
    return code if isinstance(code, int) else 0


@app.callback(invoke_without_command=True)
def _root(*, show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if show_version:
        typer.echo(version("nightloom"))
        raise typer.Exit


def _fail(message: str, kind: str, exit_code: int, arguments: Sequence[str]) -> int:
    if "--json" in arguments:
        typer.echo(json.dumps({"error": {"kind": kind, "message": message, "exit_code": exit_code}}))
    typer.echo(f"error: {message}", err=True)
    return exit_code
