"""Nights: a date in the recipe's time zone, and the cut of the source that belongs to it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from nightloom.core.errors import InputError


def utc_now() -> datetime:
    """Return the present time, aware, in UTC: the one clock of the project."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class NightCut:
    """One night of one recipe. The cut holds what was written at or after `cut_from` and before `cut_to` (UTC)."""

    recipe: str
    night: date
    cut_from: datetime
    cut_to: datetime

    def window_from(self, days: int) -> datetime:
        """Return the beginning of the last `days` days before the cut's end."""
        return self.cut_to - timedelta(days=days)


def compute_cut(recipe: str, night: date, timezone: str) -> NightCut:
    """Return the night whose cut is the calendar day before its date: all of it is over when the night begins."""
    zone = ZoneInfo(timezone)
    cut_from, cut_to = (
        datetime.combine(day, time.min, zone).astimezone(UTC) for day in (night - timedelta(days=1), night)
    )
    return NightCut(recipe, night, cut_from, cut_to)


def night_of(moment: datetime, timezone: str) -> date:
    """Return the night that a moment falls on: its date in the time zone."""
    return moment.astimezone(ZoneInfo(timezone)).date()


def choose_night(asked: str | None, partition: str | None, moment: datetime, timezone: str) -> date:
    """Return the night that a run is for: the one asked for, else its partition's, else the date of its moment.

    Raises:
        InputError: What was asked for, or the partition, is not a date.
    """
    written = asked or partition
    return parse_night(written) if written else night_of(moment, timezone)


def parse_night(text: str) -> date:
    """Read a night as people write it.

    Raises:
        InputError: It is not a date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is not a night; write a date such as 2026-11-23"
        raise InputError(msg) from error


@dataclass(frozen=True, slots=True)
class Stop:
    """A stage ends here without a fault: there is nothing to do, or what there is was refused."""

    status: Literal["nothing_new", "refused"]
    message: str
