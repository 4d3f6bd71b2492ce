"""SQL times: bind a night's times so that every database compares them rightly with the columns of a query.

A column with a time zone is compared with a moment, whatever the zone of the session or of the role. A column without
one is compared in the source's time zone, in which its times are read. Texts are compared as times, in any ISO format.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from nightloom.core.errors import InputError
from nightloom.sources.base import Cut

_PARAMETER = re.compile(r"(?<![:\w\\]):(cut_from|cut_to|window_from)\b")
_COLLATION = "nightloom_time"
_SET_TIME_ZONE = {
    "postgresql": "SET LOCAL TIME ZONE '{}'",  # for the transaction: a pooled connection serves others afterwards
    "mysql": "SET time_zone = '{}'",
    "mariadb": "SET time_zone = '{}'",
    "oracle": "ALTER SESSION SET TIME_ZONE = '{}'",
    "snowflake": "ALTER SESSION SET TIMEZONE = '{}'",
}
"""Dialect → how a session gets a time zone, in which the database compares times with a zone and times without."""

_OFFSET_FOR_UTC = ("mysql", "mariadb")  # they know no names of time zones until the tables of these are loaded


def set_time_zone(connection: sa.Connection, name: str, zone: ZoneInfo) -> None:
    """Set the time zone of a session, if the database compares times in it.

    Raises:
        InputError: The database does not know the time zone.
    """
    dialect = connection.engine.name
    statement = _SET_TIME_ZONE.get(dialect)
    if statement is None:
        return
    known = "+00:00" if zone.key == "UTC" and dialect in _OFFSET_FOR_UTC else zone.key
    try:
        connection.exec_driver_sql(statement.format(known))
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise
        msg = (
            f"the database of connection {name!r} does not know the time zone {zone.key!r}; load its time zone tables, "
            f"or write `timezone: UTC` under the source if its times are in UTC"
        )
        raise InputError(msg) from None


def bind_times(query: str, cut: Cut | None, dialect: str, zone: ZoneInfo) -> sa.TextClause:
    """Return a query with the times of a cut in place of its placeholders; without a cut, unchanged."""
    if cut is None:
        return sa.text(query)
    bound = [_bind(name, getattr(cut, name), dialect, zone) for name in sorted(set(_PARAMETER.findall(query)))]
    if dialect == "sqlite":
        query = _PARAMETER.sub(rf"(:\1 COLLATE {_COLLATION})", query)
    return sa.text(query).bindparams(*bound)


def _bind(name: str, moment: datetime, dialect: str, zone: ZoneInfo) -> sa.BindParameter[Any]:
    if dialect == "sqlite":
        return sa.bindparam(name, _as_sqlite_text(moment), type_=sa.String)
    if dialect == "postgresql":
        return sa.bindparam(name, moment, type_=sa.DateTime(timezone=True))
    return sa.bindparam(name, moment.astimezone(zone).replace(tzinfo=None), type_=sa.DateTime)


def add_time_collation(connection: sa.Connection, cut: Cut, zone: ZoneInfo) -> None:
    """Let SQLite, which keeps times as texts, compare them with those of a cut as times."""
    compare = _compare_with([cut.window_from, cut.cut_from, cut.cut_to], zone)
    connection.connection.driver_connection.create_collation(_COLLATION, compare)  # type: ignore[union-attr]  # it is connected


def _as_sqlite_text(moment: datetime) -> str:
    """Format a time as SQLite's own functions read it, too."""
    return moment.astimezone(UTC).isoformat(" ", timespec="seconds")


def _compare_with(bounds: Sequence[datetime], zone: ZoneInfo) -> Callable[[str, str], int]:
    """Return a comparison of texts with these times, as times; a text that is no time is compared as text.

    A text without a time zone is a time of this one.
    """
    day = timedelta(days=1)
    known = {
        _as_sqlite_text(at): (at, str((at - day).date()), str((at + day).date()))
        for at in (bound.astimezone(UTC) for bound in bounds)
    }

    def compare(text: str, other: str) -> int:
        if other in known:
            return compare_bound(text, other)
        return -compare_bound(other, text) if text in known else (text > other) - (text < other)

    def compare_bound(text: str, bound: str) -> int:
        at, day_before, day_after = known[bound]
        date = text[:10]
        # Most rows are days away, whatever their time zone: the date decides, and no time is parsed.
        if text[4:5] == text[7:8] == "-" and not day_before <= date <= day_after:
            return 1 if date > day_after else -1
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return (text > bound) - (text < bound)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return (aware > at) - (aware < at)

    return compare
