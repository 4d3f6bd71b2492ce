"""SQL values: what PostgreSQL holds and Python's types cannot stays text, instead of failing the whole query.

These are times without end, and years before 1 or beyond 9999. A column of times then names itself if its text is no
time, and other columns keep what they hold.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nightloom.sources.formatting import FIRST_TIME

_FOREVER = {"infinity": "9999-12-31T23:59:59.999999+00:00", "-infinity": FIRST_TIME}
"""A time without end → the last time that there is, or the first that does not mean none."""

_NUMBERS = {"DATE": 1082, "TIME": 1083, "PYDATETIME": 1114, "PYDATETIMETZ": 1184, "PYTIME": 1266, "INTERVAL": 1186}
"""What psycopg2 reads a type with → PostgreSQL's number of the type."""

_LOADERS = {
    "date": "DateLoader",
    "time": "TimeLoader",
    "timetz": "TimetzLoader",
    "timestamp": "TimestampLoader",
    "timestamptz": "TimestamptzLoader",
    "interval": "IntervalLoader",
}
"""PostgreSQL's name of a type → the class with which psycopg reads it."""


def keep_all_values(engine: sa.Engine) -> None:
    """Let the connections of an engine read every value, by psycopg or psycopg2."""
    prepare = {"psycopg": _prepare_psycopg, "psycopg2": _prepare_psycopg2}.get(engine.driver)
    if prepare is not None:
        sa.event.listen(engine, "connect", prepare)


def _prepare_psycopg(connection: Any, _record: Any) -> None:
    from psycopg import DataError
    from psycopg.types import datetime

    def lenient(loader: Any) -> Any:
        class Loader(loader):  # type: ignore[misc]  # known at run time only
            def load(self, data: Any) -> Any:
                text = bytes(data).decode()
                try:
                    return _FOREVER.get(text) or super().load(data)
                except DataError:
                    return text

        return Loader

    for name, loader in _LOADERS.items():
        connection.adapters.register_loader(name, lenient(getattr(datetime, loader)))


def _prepare_psycopg2(connection: Any, _record: Any) -> None:
    from psycopg2 import DataError, extensions

    def lenient(read: Callable[[str | None, Any], Any]) -> Callable[[str | None, Any], Any]:
        def load(text: str | None, cursor: Any) -> Any:
            try:
                return _FOREVER.get(text or "") or read(text, cursor)
            except (ValueError, OverflowError, DataError):
                return text

        return load

    for name, number in _NUMBERS.items():
        kind = extensions.new_type((number,), f"any {name}", lenient(getattr(extensions, name)))
        extensions.register_type(kind, connection)
