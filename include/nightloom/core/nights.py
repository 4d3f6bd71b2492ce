"""Nights: a date in the recipe's time zone, with its cut of the source."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from nightloom.core.errors import InputError


def utc_now() -> datetime:
    """Return the current time, aware, in UTC: the only clock of the project."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class NightCut:
    """One night of one recipe. The cut is what was written at or after `cut_from` and before `cut_to` (UTC)."""

    recipe: str
    night: date
    cut_from: datetime
    cut_to: datetime

    def window_from(self, days: int) -> datetime:
        """Return the time `days` days before the end of the cut."""
        return self.cut_to - timedelta(days=days)


def compute_cut(recipe: str, night: date, timezone: str) -> NightCut:
    """Return the night with its cut: the calendar day before its date, which is over when the night begins."""
    zone = ZoneInfo(timezone)
    cut_from, cut_to = (
        datetime.combine(day, time.min, zone).astimezone(UTC) for day in (night - timedelta(days=1), night)
    )
    return NightCut(recipe, night, cut_from, cut_to)


def night_of(moment: datetime, timezone: str) -> date:
    """Return the night of a moment: its date in the time zone."""
    return moment.astimezone(ZoneInfo(timezone)).date()


def choose_night(asked: str | None, partition: str | None, moment: datetime, timezone: str) -> date:
    """Return the night of a run: the requested one, else that of its partition, else that of its moment.

    Raises:
        InputError: The requested night or the partition is not a date.
    """
    text = asked or partition
    return parse_night(text) if text else night_of(moment, timezone)


def parse_night(text: str) -> date:
    """Return the night that a text such as `2026-11-23` names.

    Raises:
        InputError: The text is not a date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is not a night; write a date such as 2026-11-23"
        raise InputError(msg) from error


@dataclass(frozen=True, slots=True)
class Stop:
    """The early end of a stage without a fault: there is nothing new, or the input was refused."""

    status: Literal["nothing_new", "refused"]
    message: str
    manifest: str | None = None  # what the stage made nevertheless
