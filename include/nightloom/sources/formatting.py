"""Formatting: turn every value of a source into text, the same way for all source kinds."""

import math
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from nightloom.conversations.other_columns import MARKS, OTHERS, describe_batch
from nightloom.core.digests import canonical_json
from nightloom.core.errors import SchemaError
from nightloom.sources.base import Batch
from nightloom.sources.classes import name_classes

UTC_ZONE = ZoneInfo("UTC")
FIRST_TIME = "1970-01-02T00:00:00.000000+00:00"
"""Times before it mean that there is no time: zero of the clocks of Unix, Excel or .NET."""

_UTC = "%Y-%m-%dT%H:%M:%S%.6f+00:00"
_UTC_LENGTH = 32
_FIRST_YEAR = "0001"
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_MICROSECONDS = [(end - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) for end in (_FIRST, _LAST)]
_FORMATTED_BY_POLARS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_integer,
    pa.types.is_date32,
)
_NO_JSON = "a wanted column holds lists or structs that JSON cannot represent ({})"
_NESTED = (list, dict, tuple, set, frozenset)
_LARGEST_EXACT_INTEGER = 2**53  # larger floats may not be the integer that they look like


def format_batch(
    batch: Batch, columns: Sequence[str], zone: ZoneInfo = UTC_ZONE, optional: Collection[str] = ()
) -> pl.DataFrame:
    """Return a batch as a frame of text; nulls stay null.

    Args:
        batch: Rows of a source.
        columns: Names of the columns; OTHERS and MARKS may be the last.
        zone: Time zone of times without one.
        optional: Columns that an Arrow batch may lack; they are null then.

    Raises:
        SchemaError: A value cannot be formatted.
        ValueError: A row has more or fewer values than columns, or text is not UTF-8.
    """
    if isinstance(batch, pa.RecordBatch):
        wanted = [name for name in columns if name not in (OTHERS, MARKS)]
        batch = name_classes(batch, wanted)
        absent = {*optional}.difference(batch.schema.names)
        nulls = pl.repeat(None, batch.num_rows, dtype=pl.String, eager=True)
        formatted = (nulls if name in absent else _format_arrow(batch.column(name), zone) for name in wanted)
        frame = pl.DataFrame([values.alias(name) for name, values in zip(wanted, formatted, strict=True)])
        return frame if len(wanted) == len(columns) else frame.with_columns(_format_others(batch, wanted, zone))
    values = zip(*batch, strict=True) if batch else ((),) * len(columns)
    return pl.DataFrame([_format_values(name, given, zone) for name, given in zip(columns, values, strict=True)])


def find_nested(batch: Batch, columns: Sequence[str]) -> dict[str, pl.Series]:
    """Return whether each value is a list or an object, for the columns that hold any."""
    if isinstance(batch, pa.RecordBatch):
        given = [name for name in columns if name in batch.schema.names and pa.types.is_nested(batch.column(name).type)]
        found = {name: pl.Series(batch.column(name).is_valid()) for name in given}
    else:
        found = {
            name: pl.Series([isinstance(row[index], _NESTED) for row in batch], dtype=pl.Boolean)
            for index, name in enumerate(columns)
            if not {*_NESTED}.isdisjoint({type(row[index]) for row in batch})
        }
    return {name: is_nested for name, is_nested in found.items() if is_nested.any()}


def utc_text(moment: datetime, zone: ZoneInfo = UTC_ZONE) -> str:
    """Format a time in UTC with a fixed width, so that text sorts like time; a naive time is one of the zone.

    A time that lies beyond the years 1 to 9999 in UTC becomes the first or the last time in them.
    """
    aware = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
    try:
        in_utc = aware.astimezone(UTC)
    except OverflowError:
        in_utc = _FIRST if aware.year == 1 else _LAST
    return in_utc.isoformat(timespec="microseconds")


def as_utc(local: pl.Expr, zone: ZoneInfo) -> pl.Expr:
    """Return naive times of a zone in UTC, as Python does, but null for a time that clocks skip there."""
    if zone == UTC_ZONE:
        return local
    aware = local.dt.replace_time_zone(zone.key, ambiguous="earliest", non_existent="null")
    return aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def as_text(value: Any, zone: ZoneInfo = UTC_ZONE) -> str | None:
    """Format one value; a time without a zone is one of this zone.

    Raises:
        SchemaError: The value is a list or an object that JSON cannot represent.
    """
    if isinstance(value, Enum):
        value = value.value
    if _is_missing(value):
        return None
    if isinstance(value, datetime):
        return utc_text(value, zone)
    if isinstance(value, Decimal):
        return f"{value:f}"  # zero with ten places is no 0E-10
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_EXACT_INTEGER:
        # Integer columns become floats as soon as a value is missing; a key must stay the same key.
        return str(int(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, _NESTED):
        return _format_json(value, zone)
    # A lone surrogate has no UTF-8; it is escaped, so that the row is not lost.
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _format_others(batch: pa.RecordBatch, wanted: Sequence[str], zone: ZoneInfo) -> list[pl.Series]:
    names, marks = describe_batch(batch, wanted)
    return [names.alias(OTHERS), pl.Series(MARKS, [as_text(one, zone) for one in marks], pl.String)]


def _format_values(name: str, values: Iterable[Any], zone: ZoneInfo) -> pl.Series:
    given = list(values)
    # Checked in Python, because Polars panics at some mixtures of types.
    if set(map(type, given)) <= {str, NoneType}:
        with suppress(UnicodeEncodeError):
            return pl.Series(name, given, pl.String)
    return pl.Series(name, [as_text(value, zone) for value in given], pl.String)


def _format_arrow(column: pa.Array, zone: ZoneInfo) -> pl.Series:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _format_arrow_times(column, zone)
    if any(is_it(kind) for is_it in _FORMATTED_BY_POLARS):
        return pl.Series(values=column).cast(pl.String)
    values = column.to_pylist()
    if "float" in str(kind):
        values = [_shorten(value, kind) for value in values]
    return pl.Series(values=[as_text(value, zone) for value in values], dtype=pl.String)


def _shorten(value: Any, kind: pa.DataType) -> Any:
    """Return a value with the shortest numbers that mean its floats of fewer than 64 bits, such as 4.7."""
    if value is None or "float" not in str(kind):
        return value
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return float(str((np.float32 if pa.types.is_float32(kind) else np.float16)(value)))
    if pa.types.is_struct(kind):
        return {field.name: _shorten(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        return [(_shorten(key, kind.key_type), _shorten(item, kind.item_type)) for key, item in value]
    inner = getattr(kind, "value_type", None)
    if inner is None:
        return value
    return [_shorten(item, inner) for item in value] if isinstance(value, list) else _shorten(value, inner)


def _format_arrow_times(column: pa.Array, zone: ZoneInfo) -> pl.Series:
    """Format a column of times like `utc_text`; one beyond Python's years becomes the first or the last in them."""
    options = pc.CastOptions(pa.timestamp("us", column.type.tz), allow_time_truncate=True)
    ticks = pl.Series("at", column.cast(options=options).view(pa.int64()))
    # Polars panics at a time beyond its own years.
    moments = ticks.clip(*_MICROSECONDS).cast(pl.Datetime("us"))
    moment = pl.col("at") if column.type.tz else as_utc(pl.col("at"), zone)
    formatted = moments.to_frame().select(moment.dt.strftime(_UTC)).to_series()
    is_known = (formatted.str.len_bytes() == _UTC_LENGTH) & (formatted >= _FIRST_YEAR)
    if formatted.null_count() == column.null_count and is_known.all():
        return formatted
    # One is skipped by the zone's clocks, or lies beyond all years in UTC.
    own = UTC_ZONE if column.type.tz else zone
    return pl.Series([None if one is None else utc_text(one, own) for one in moments], dtype=pl.String)


def _is_missing(value: Any) -> bool:
    """Whether a value is missing: null, not a number (NaN), or not a time (NaT), of any library."""
    if value is None:
        return True
    try:
        return bool(value != value)  # by which all of them know themselves
    except (TypeError, ArithmeticError):  # pandas.NA; a signalling NaN of decimal
        return True
    except ValueError:  # an array
        return False


def _format_json(value: Any, zone: ZoneInfo) -> str:
    try:
        return canonical_json(value).decode()
    except (ValueError, TypeError):
        pass
    except RecursionError as error:
        raise SchemaError(_NO_JSON.format(type(error).__name__)) from None
    try:
        return canonical_json(_as_json(value, zone)).decode()
    except (ValueError, TypeError, RecursionError) as error:
        raise SchemaError(_NO_JSON.format(type(error).__name__)) from None


def _as_json(value: Any, zone: ZoneInfo) -> Any:
    """Return a value with texts and nulls in place of what JSON cannot represent."""
    if isinstance(value, dict):
        return {str(key): _as_json(item, zone) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item, zone) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_as_json(item, zone) for item in value), key=str)
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return as_text(value, zone)
