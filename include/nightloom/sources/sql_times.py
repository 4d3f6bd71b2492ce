"""SQL times: bind a night's times so that every database compares them rightly with the columns of a query.

A column with a time zone is compared with a moment, whatever the zone of the session or of the role. A column without
one is compared in the source's time zone, in which its times are read. Texts are compared as times, in any ISO format.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
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
        # As its own functions read it, too.
        return sa.bindparam(name, moment.astimezone(UTC).isoformat(" ", timespec="seconds"), type_=sa.String)
    if dialect == "postgresql":
        return sa.bindparam(name, moment, type_=sa.DateTime(timezone=True))
    return sa.bindparam(name, moment.astimezone(zone).replace(tzinfo=None), type_=sa.DateTime)


def add_time_collation(engine: sa.Engine, zone: ZoneInfo) -> None:
    """Let SQLite, which keeps times as texts, compare them as times."""

    def add(connection: Any, _record: Any) -> None:
        connection.create_collation(_COLLATION, _compare_in(zone))

    sa.event.listen(engine, "connect", add)


def _compare_in(zone: ZoneInfo) -> Callable[[str, str], int]:
    """Return a comparison of texts as times, those without a zone in this one; other texts are compared as such."""

    def read(text: str) -> datetime:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)

    def compare(text: str, other: str) -> int:
        try:
            one, two = read(text), read(other)
        except ValueError:
            return (text > other) - (text < other)
        return (one > two) - (one < two)

    return compare
