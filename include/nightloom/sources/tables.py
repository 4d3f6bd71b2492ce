"""Tables: the rows of a SQL query or of files as text, read in batches, with the columns that were asked for."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from nightloom.core.connections import resolve_connection
from nightloom.core.digests import canonical_json
from nightloom.core.errors import InputError, SourceError
from nightloom.core.nights import Night
from nightloom.core.recipes import Source, SqlSource
from nightloom.sources.columns import describe_source, find_columns
from nightloom.sources.files import read_files

BATCH_ROWS = 5_000
_TIME_PARAMETER = re.compile(r"(?<![:\w\\]):(cut_from|cut_to|window_from)\b")


def read_table(source: Source, columns: Sequence[str], night: Night | None, window_days: int) -> pl.DataFrame:
    """Give these columns of a small source whole, as `read_batches` gives them."""
    return pl.concat(
        [pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), *read_batches(source, columns, night, window_days)]
    )


def read_batches(
    source: Source, columns: Sequence[str], night: Night | None, window_days: int
) -> Iterator[pl.DataFrame]:
    """Give these columns of a source, every value as text, times in UTC, a few thousand rows at a time.

    Args:
        source: A query or files.
        columns: Names of columns, in any order.
        night: Whose cut a query reads; none where it names no cut.
        window_days: Days before the cut's end that `:window_from` stands for.

    Raises:
        InputError: A column or file is not there, or a file is not what its name says.
        SourceError: The database does not answer, or refuses the query.
    """
    times = {} if night is None else _night_times(night, window_days)
    batches = _read_sql(source, times, columns) if isinstance(source, SqlSource) else read_files(source, columns)
    schema = dict.fromkeys(columns, pl.String)
    for batch in batches:
        yield pl.DataFrame([[_as_text(value) for value in row] for row in batch], schema, orient="row")


def utc_text(moment: datetime) -> str:
    """Spell a time in UTC with a fixed width, so that text sorts as time does; a naive time is taken as UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="microseconds")


def _read_sql(
    source: SqlSource, times: Mapping[str, datetime], columns: Sequence[str]
) -> Iterator[Sequence[Sequence[Any]]]:
    engine = _connect(source.connection)
    named = set(_TIME_PARAMETER.findall(source.query)) & times.keys()
    # Typed, because SQLite keeps times as text and compares them with the spelling that the type gives.
    bound = [sa.bindparam(name, times[name], type_=sa.DateTime) for name in sorted(named)]
    try:
        with engine.connect() as connection:
            streaming = connection.execution_options(yield_per=BATCH_ROWS)
            result = streaming.execute(sa.text(source.query).bindparams(*bound))
            places = find_columns(columns, tuple(result.keys()), describe_source(source))
            for batch in result.partitions():
                yield [[row[place] for place in places] for row in batch]
    except sa.exc.SQLAlchemyError as error:
        msg = (
            f"{describe_source(source)} failed: {_explain_sql(error)}; "
            f"check that the database is up and the query runs there"
        )
        raise SourceError(msg) from None
    finally:
        engine.dispose()


def _explain_sql(error: sa.exc.SQLAlchemyError) -> str:
    """Say what a database said, unless it may be about a value: that is text of a row, which must not be shown."""
    if isinstance(error, sa.exc.DataError):
        return f"{type(error.orig).__name__} (a value does not fit; its text is not shown)"
    return str(error.orig if isinstance(error, sa.exc.DBAPIError) else error).splitlines()[0]


def _connect(connection: str) -> sa.Engine:
    try:
        engine = sa.create_engine(resolve_connection(connection))
    except (sa.exc.ArgumentError, ModuleNotFoundError, ValueError):
        # Without its cause: the library's own message may repeat the URL with its password.
        msg = f"connection {connection!r} is not a SQLAlchemy URL whose driver is installed; correct it"
        raise InputError(msg) from None
    file = engine.url.database or ":memory:"
    if engine.name == "sqlite" and not file.startswith((":memory:", "file:")) and not Path(file).exists():
        # SQLite would make an empty database there.
        msg = f"connection {connection!r} is a SQLite file that does not exist; check its path"
        raise SourceError(msg)
    if engine.name == "sqlite":
        sa.event.listen(engine, "connect", _read_any_bytes)
    return engine


def _read_any_bytes(connection: Any, _record: Any) -> None:
    """Have SQLite give text that is not UTF-8 too: else one such row fails the night, and is shown in the error."""
    connection.text_factory = lambda data: data.decode("utf-8", "replace")


def _night_times(night: Night, window_days: int) -> dict[str, datetime]:
    moments = {
        "cut_from": night.cut_from,
        "cut_to": night.cut_to,
        "window_from": night.window_from(window_days),
    }
    return {name: moment.astimezone(UTC).replace(tzinfo=None) for name, moment in moments.items()}


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, list | dict):
        return _spell(value)
    # A lone surrogate has no UTF-8; it is kept visibly rather than losing the row.
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _spell(value: Any) -> str:
    try:
        return canonical_json(value).decode()
    except (ValueError, TypeError, RecursionError) as error:
        msg = f"a column that is asked for holds lists or structs that JSON cannot spell ({type(error).__name__})"
        raise InputError(msg) from None
