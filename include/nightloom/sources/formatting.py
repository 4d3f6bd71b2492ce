"""Spelling: every value of a source as text, the same from whatever kind of source it came."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import NoneType
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from nightloom.core.digests import canonical_json
from nightloom.core.errors import SchemaError
from nightloom.sources.base import Batch

_UTC = "%Y-%m-%dT%H:%M:%S%.6f+00:00"
_UTC_LENGTH = 32
_AS_POLARS_SPELLS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_integer,
    pa.types.is_date32,
)
_MOST_WHOLE = 2**53  # a float of that size or more may not be the whole number that it looks like


def spell_batch(batch: Batch, columns: Sequence[str]) -> pl.DataFrame:
    """Return a batch as a frame of text; nothing stays null.

    Raises:
        SchemaError: A value has no spelling.
        ValueError: A row has not as many values as there are columns, or text is not UTF-8.
    """
    if isinstance(batch, pa.RecordBatch):
        return pl.DataFrame([_spell_arrow(batch.column(name)).alias(name) for name in columns])
    values = zip(*batch, strict=True) if batch else ((),) * len(columns)
    return pl.DataFrame([_spell_values(name, given) for name, given in zip(columns, values, strict=True)])


def find_nested(batch: Batch, columns: Sequence[str]) -> list[str]:
    """Return the columns that hold lists or objects; one such value among others makes no such column."""
    if isinstance(batch, pa.RecordBatch):
        return [name for name in columns if pa.types.is_nested(batch.column(name).type)]
    return [name for place, name in enumerate(columns) if _is_nested(row[place] for row in batch)]


def _is_nested(values: Iterable[Any]) -> bool:
    given = (value for value in values if value is not None)
    return isinstance(next(given, None), list | dict) and all(isinstance(value, list | dict) for value in given)


def utc_text(moment: datetime) -> str:
    """Spell a time in UTC with a fixed width, so that text sorts as time does; a naive time is taken as UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="microseconds")


def as_text(value: Any) -> str | None:
    """Spell one value.

    Raises:
        SchemaError: It is a list or an object that JSON cannot spell.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _MOST_WHOLE:
        # A column of whole numbers becomes one of floats as soon as a value is missing: a key stays the same key.
        return str(int(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, list | dict):
        return _spell_json(value)
    # A lone surrogate has no UTF-8; it is kept visibly rather than losing the row.
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _spell_values(name: str, values: Iterable[Any]) -> pl.Series:
    given = list(values)
    # Asked of Python: of some mixtures of types, Polars would panic.
    if set(map(type, given)) <= {str, NoneType}:
        with suppress(UnicodeEncodeError):
            return pl.Series(name, given, pl.String)
    return pl.Series(name, [as_text(value) for value in given], pl.String)


def _spell_arrow(column: pa.Array) -> pl.Series:
    kind = column.type
    if pa.types.is_timestamp(kind):
        spelled = _spell_times(column)
        if spelled is not None:
            return spelled
    if any(is_it(kind) for is_it in _AS_POLARS_SPELLS):
        return pl.Series(values=column).cast(pl.String)
    return pl.Series(values=[as_text(value) for value in column.to_pylist()], dtype=pl.String)


def _spell_times(column: pa.Array) -> pl.Series | None:
    """Spell a column of times as `utc_text` does; none where one is beyond the years that Python knows."""
    options = pc.CastOptions(pa.timestamp("us", column.type.tz), allow_time_truncate=True)
    moments = pl.Series(values=column.cast(options=options).view(pa.int64())).cast(pl.Datetime("us"))
    spelled = moments.dt.strftime(_UTC)
    return spelled if (spelled.str.len_bytes() == _UTC_LENGTH).all() else None


def _spell_json(value: Any) -> str:
    try:
        return canonical_json(value).decode()
    except (ValueError, TypeError, RecursionError) as error:
        msg = f"a column that is asked for holds lists or structs that JSON cannot spell ({type(error).__name__})"
        raise SchemaError(msg) from None
