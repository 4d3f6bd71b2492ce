"""SQL: read the rows of a query, streamed with a server-side cursor if the database has one."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nightloom.conversations.other_columns import list_others
from nightloom.core.connections import resolve_connection
from nightloom.core.errors import InputError, SchemaError, SourceError
from nightloom.recipes.sources import SqlSource, zone_of
from nightloom.sources.base import Cut, Row
from nightloom.sources.columns import describe_source, pick_with_others, place_columns
from nightloom.sources.sql_times import add_time_collation, bind_times, set_time_zone
from nightloom.sources.sql_values import keep_all_values

BATCH_ROWS = 5_000
_COLUMN_STATES = {"42703", "42804", "42883"}  # SQLSTATE: no such column, another type, no operator for this type


def read_query(
    source: SqlSource,
    columns: Sequence[str],
    cut: Cut | None,
    *,
    optional: Collection[str] = (),
    others: bool = False,
) -> Iterator[Sequence[Row]]:
    """Return these columns of every row; the query itself must respect the cut.

    Raises:
        SchemaError: A column is missing, or a type or a value does not fit the query.
        InputError: The connection is invalid.
        SourceError: The database does not answer, or refuses the query.
    """
    engine, zone = _connect(source), zone_of(source)
    try:
        with engine.connect() as connection:
            set_time_zone(connection, source.connection, zone)
            if cut and engine.name == "sqlite":
                add_time_collation(connection, cut, zone)
            query = bind_times(source.query, cut, engine.name, zone)
            with connection.execute(query, execution_options={"yield_per": BATCH_ROWS}) as result:
                known = tuple(result.keys())
                positions = place_columns(columns, known, describe_source(source), optional)
                more = list_others(known, columns, describe_source(source)) if others else None
                # The size is required: without it, all rows are fetched at once, even with a server-side cursor.
                for batch in result.partitions(BATCH_ROWS):
                    yield [pick_with_others(row, positions, more) for row in batch]
    except sa.exc.SQLAlchemyError as error:
        if _is_about_columns(error):
            msg = (
                f"{describe_source(source)} does not fit its table: {_explain_sql(error)}; "
                f"correct the query or the table"
            )
            raise SchemaError(msg) from None
        if isinstance(error, sa.exc.DataError):
            # About a value of a row, so another try would find it again. Its text is not shown.
            msg = (
                f"{describe_source(source)} meets a value that does not fit a type ({type(error.orig).__name__}); "
                f"correct the value, or convert its column in the query"
            )
            raise SchemaError(msg) from None
        msg = (
            f"{describe_source(source)} failed: {_explain_sql(error)}; "
            f"check that the database is up and the query runs there"
        )
        raise SourceError(msg) from None
    finally:
        engine.dispose()


def _is_about_columns(error: sa.exc.SQLAlchemyError) -> bool:
    """Whether the database reports a missing column, or one with a type that the query cannot use."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else None
    states = {getattr(cause, name, None) for name in ("sqlstate", "pgcode")}
    # SQLite has no code for this, and MySQL's drivers use MySQL's codes.
    return bool(states & _COLUMN_STATES) or str(cause).startswith(("no such column", "(1054,"))


def _explain_sql(error: sa.exc.SQLAlchemyError) -> str:
    """Return the first line of the database's message: the others may quote a value."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return next(iter(str(cause).splitlines()), type(cause).__name__)


def _connect(source: SqlSource) -> sa.Engine:
    connection = source.connection
    try:
        engine = sa.create_engine(resolve_connection(connection))
    except (sa.exc.ArgumentError, ModuleNotFoundError, ValueError):
        # Without its cause: the library's own message may repeat the URL with its password.
        msg = f"connection {connection!r} is not a SQLAlchemy URL whose driver is installed; correct it"
        raise InputError(msg) from None
    file = engine.url.database or ":memory:"
    if engine.name == "sqlite" and not file.startswith((":memory:", "file:")) and not Path(file).exists():
        # SQLite would create an empty database there.
        msg = f"the SQLite file of connection {connection!r} does not exist; check its path"
        raise SourceError(msg)
    if engine.name == "sqlite":
        sa.event.listen(engine, "connect", _read_any_bytes)
    keep_all_values(engine)
    return engine


def _read_any_bytes(connection: Any, _record: Any) -> None:
    """Decode invalid UTF-8 with replacements: otherwise one such row fails the night, and the error quotes it."""
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
