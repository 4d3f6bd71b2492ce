"""Tables: the rows of a SQL query or a CSV file as text, read in batches, with the columns that were asked for."""

import csv
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from nightloom.core.connections import resolve_connection
from nightloom.core.errors import InputError, SourceError
from nightloom.core.nights import Night
from nightloom.core.recipes import FilesSource, Source, SqlSource

BATCH_ROWS = 5_000
_TIME_PARAMETER = re.compile(r"(?<![:\w\\]):(cut_from|cut_to|window_from)\b")


@dataclass(frozen=True, slots=True)
class Table:
    """An open source: the names of its columns, and its rows a batch at a time."""

    columns: tuple[str, ...]
    batches: Iterator[Sequence[Sequence[Any]]]


def read_table(source: Source, columns: Sequence[str], night: Night | None, window_days: int) -> pl.DataFrame:
    """Give these columns of a source, every value as text, times in UTC.

    Args:
        source: A query or a file.
        columns: Names of columns, in any order.
        night: Whose cut a query reads; none where it names no cut.
        window_days: Days before the cut's end that `:window_from` stands for.

    Raises:
        InputError: A column or file is not there, or the file is no CSV.
        SourceError: The database does not answer, or refuses the query.
    """
    times = {} if night is None else _night_times(night, window_days)
    with _open_table(source, times) as table:
        positions = [_find_column(name, table.columns, source) for name in columns]
        schema = dict.fromkeys(columns, pl.String)
        frames = [
            pl.DataFrame([[_as_text(row[at]) for at in positions] for row in batch], schema, orient="row")
            for batch in table.batches
        ]
    return pl.concat([pl.DataFrame(schema=schema), *frames])


def describe_source(source: Source) -> str:
    """Name a source in an error, without its password."""
    if isinstance(source, SqlSource):
        return f"the query on connection {source.connection!r}"
    return f"the file {source.path!r}"


def utc_text(moment: datetime) -> str:
    """Spell a time in UTC with a fixed width, so that text sorts as time does; a naive time is taken as UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="microseconds")


def _open_table(source: Source, times: Mapping[str, datetime]) -> AbstractContextManager[Table]:
    return _open_sql(source, times) if isinstance(source, SqlSource) else _open_csv(source)


@contextmanager
def _open_sql(source: SqlSource, times: Mapping[str, datetime]) -> Iterator[Table]:
    engine = _connect(source.connection)
    named = set(_TIME_PARAMETER.findall(source.query)) & times.keys()
    # Typed, because SQLite keeps times as text and compares them with the spelling that the type gives.
    bound = [sa.bindparam(name, times[name], type_=sa.DateTime) for name in sorted(named)]
    try:
        with engine.connect() as connection:
            streaming = connection.execution_options(yield_per=BATCH_ROWS)
            result = streaming.execute(sa.text(source.query).bindparams(*bound))
            yield Table(tuple(result.keys()), result.partitions())
    except sa.exc.SQLAlchemyError as error:
        reason = str(error.orig if isinstance(error, sa.exc.DBAPIError) else error).splitlines()[0]
        msg = f"{describe_source(source)} failed: {reason}; check that the database is up and the query runs there"
        raise SourceError(msg) from error
    finally:
        engine.dispose()


def _connect(connection: str) -> sa.Engine:
    try:
        engine = sa.create_engine(resolve_connection(connection))
    except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
        # The library's own message may repeat the URL with its password.
        msg = f"connection {connection!r} is not a SQLAlchemy URL whose driver is installed; correct it"
        raise InputError(msg) from error
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


@contextmanager
def _open_csv(source: FilesSource) -> Iterator[Table]:
    path = source.resolved_path()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = tuple(next(lines, ()))
            yield Table(header, _csv_batches(lines, len(header), source))
    except OSError as error:
        msg = f"{describe_source(source)} cannot be read at {path}: {error.strerror}; check the path"
        raise InputError(msg) from error
    except (csv.Error, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        msg = f"{describe_source(source)} is not a CSV file in UTF-8: {reason}; nothing of it was used"
        raise InputError(msg) from error


def _csv_batches(lines: Iterator[list[str]], width: int, source: FilesSource) -> Iterator[list[list[str]]]:
    rows = (row for row in lines if row)
    while batch := list(islice(rows, BATCH_ROWS)):
        if any(len(row) != width for row in batch):
            msg = (
                f"{describe_source(source)} has rows whose number of values is not that of its header, {width}; "
                f"quote values that hold a comma"
            )
            raise InputError(msg)
        yield batch


def _find_column(name: str, known: Sequence[str], source: Source) -> int:
    if known.count(name) == 1:
        return known.index(name)
    if name in known:
        msg = f"column {name!r} stands more than once in {describe_source(source)}; give each its own name"
        raise InputError(msg)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    msg = f"{describe_source(source)} has no column {name!r}. {hint}Known: {', '.join(known)}"
    raise InputError(msg)


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
    # A lone surrogate has no UTF-8; it is kept visibly rather than losing the row.
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
