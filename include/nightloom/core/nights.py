"""Nights: a date in the recipe's time zone, with its cut of the source."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from nightloom.core.errors import InputError

_FIRST_NIGHT = date(1970, 1, 1)


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

    @property
    def is_empty(self) -> bool:
        """Whether a later night has committed what this one would read."""
        return self.cut_from == self.cut_to

    @property
    def days(self) -> int:
        """Number of calendar days in the cut: one, unless nights before it left a gap."""
        return count_days(self.cut_from, self.cut_to)

    def window_from(self, days: int) -> datetime:
        """Return the time `days` days before the end of the cut."""
        return self.cut_to - timedelta(days=days)


def count_days(begin: datetime, end: datetime) -> int:
    """Return the number of calendar days between two midnights; a day may have 23 or 25 hours."""
    return round((end - begin) / timedelta(days=1))


def compute_cut(recipe: str, night: date, timezone: str, schedule: str = "0 0 * * *") -> NightCut:
    """Return the night with the cut that it has if no night was committed before it.

    It ends as the date of the night begins, and begins with the date of the scheduled night before: with a nightly
    schedule it is the calendar day before.
    """
    zone = ZoneInfo(timezone)
    cut_from, cut_to = (
        datetime.combine(day, time.min, zone).astimezone(UTC) for day in (_find_date_before(night, schedule), night)
    )
    return NightCut(recipe, night, cut_from, cut_to)


def _find_date_before(night: date, schedule: str) -> date:
    from croniter import CroniterBadDateError, croniter

    try:
        before: datetime = croniter(schedule, datetime.combine(night, time.min)).get_prev(datetime)
    except CroniterBadDateError:  # a schedule without dates, such as 30 February
        return night - timedelta(days=1)
    return before.date()


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
        InputError: The text is not a date, or one before all nights.
    """
    try:
        night = date.fromisoformat(text)
    except ValueError:
        night = date.min
    if night < _FIRST_NIGHT:
        msg = f"{text!r} is not a night; write a date such as 2026-11-23"
        raise InputError(msg)
    return night


@dataclass(frozen=True, slots=True)
class Stop:
    """The early end of a stage without a fault: there is nothing new, or the input was refused."""

    status: Literal["nothing_new", "refused"]
    message: str
    manifest: str | None = None  # what the stage made nevertheless
