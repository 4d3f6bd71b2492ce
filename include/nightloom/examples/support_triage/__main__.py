"""Feed the example's ticket system: `python -m nightloom.examples.support_triage --until 2026-11-23`."""

import sys
from datetime import datetime, timedelta
from typing import Annotated

import typer

from nightloom.core.connections import resolve_connection
from nightloom.core.errors import NightloomError
from nightloom.core.nights import utc_now
from nightloom.examples.support_triage.feed import TICKETS_PER_DAY, feed


def main(
    connection: Annotated[str, typer.Option(help="Name of the connection.")] = "tickets",
    url: Annotated[str | None, typer.Option(help="SQLAlchemy URL, instead of a connection.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the history.")] = 20,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day; default: today.")] = None,
    days: Annotated[int, typer.Option(min=1, help="How many days of history.")] = 45,
    ahead: Annotated[int, typer.Option(min=0, help="Days to write beyond the last day.")] = 7,
    tickets_per_day: Annotated[int, typer.Option(min=1)] = TICKETS_PER_DAY,
) -> None:
    """Write the tickets of the last days; existing tickets stay unchanged."""
    last_day = until.date() if until else utc_now().date()
    counts = feed(
        url or resolve_connection(connection),
        seed=seed,
        first_day=last_day - timedelta(days=days),
        last_day=last_day + timedelta(days=ahead),
        tickets_per_day=tickets_per_day,
    )
    typer.echo(
        f"ticket system: {counts.saves} saves, {counts.faults} planted faults, {counts.gold} gold tickets written"
    )


if __name__ == "__main__":
    try:
        typer.run(main)
    except NightloomError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
