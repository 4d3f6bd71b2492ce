"""Other columns: what the rows of a source hold besides the wanted columns, as two more columns of text.

A conversation's other columns are counted for the report. Those that may be marks have their values read, too.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from nightloom.conversations.marks import find_inner_marks, find_mark
from nightloom.conversations.message_keys import is_companion, is_given, may_change_row
from nightloom.core.errors import SchemaError

OTHERS, MARKS = "\0others", "\0marks"
"""Names of the two columns: the other columns that a row gives, and values of those that may be marks (as JSON)."""

_SEPARATOR = "\0"
_MARK_TYPES = (
    *(pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
)

Described = tuple[str | None, dict[str, Any] | None]


def describe_others(others: Iterable[tuple[str, Any]]) -> Described:
    """Return the given names among the other columns of one row, and the values of those that may be marks."""
    names: list[str] = []
    marks: dict[str, Any] = {}
    for name, value in others:
        if may_change_row(name):
            if value is not None:
                marks[name] = value
            continue
        if isinstance(value, dict):
            marks |= {inner: one for inner, one in find_inner_marks(value).items() if inner not in marks}
        if is_given(value):
            names.append(name)
    return _SEPARATOR.join(sorted(names)) or None, marks or None


def list_others(known: Sequence[str], wanted: Collection[str], where: str) -> list[tuple[str, int]]:
    """Return name and index of the other columns of a table.

    Raises:
        SchemaError: Two columns have the same name, which may be that of a mark.
    """
    others = [(name, index) for index, name in enumerate(known) if name not in wanted]
    for name, count in Counter(name for name, _ in others).items():
        if count > 1 and may_change_row(name):
            msg = f"column {name!r} occurs more than once in {where}; give each column its own name"
            raise SchemaError(msg)
    return others


@lru_cache(4096)
def split_names(others: str | None) -> frozenset[str]:
    """Return the names that a value of OTHERS holds."""
    return frozenset(others.split(_SEPARATOR)) if others else frozenset()


def describe_batch(batch: pa.RecordBatch, wanted: Collection[str]) -> tuple[pl.Series, list[dict[str, Any] | None]]:
    """Return for each row of a batch what `describe_others` returns for one."""
    others = [(name, index) for index, name in enumerate(batch.schema.names) if name not in wanted]
    read = {name: index for name, index in others if may_be_read(name, batch.schema.field(index).type)}
    counted = ((name, batch.column(index)) for name, index in others if not may_change_row(name) or name not in read)
    given = [pl.Series(name, _find_given(column)) for name, column in counted]
    if not given:
        names = pl.repeat(None, batch.num_rows, dtype=pl.String, eager=True)
    else:
        named = [pl.when(pl.lit(one)).then(pl.lit(one.name)) for one in sorted(given, key=lambda one: one.name)]
        joined = pl.select(pl.concat_str(named, separator=_SEPARATOR, ignore_nulls=True)).to_series()
        names = pl.select(pl.when(joined != "").then(joined)).to_series()
    columns = [batch.column(index).to_pylist() for index in read.values()]
    rows = zip(*columns, strict=True) if read else ((),) * batch.num_rows
    return names, [describe_others(zip(read, row, strict=True))[1] for row in rows]


def may_be_read(name: str, kind: pa.DataType) -> bool:
    """Whether a column may change what its rows mean, by its name and its type."""
    if is_companion(name):
        return True
    if pa.types.is_struct(kind):
        return any(find_mark(part.name) is not None for part in kind.fields)
    is_wrapped = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_dictionary(kind)
    inner = kind.value_type if is_wrapped else kind
    return may_change_row(name) and any(is_it(inner) for is_it in _MARK_TYPES)


def add_unseen(batch: pa.RecordBatch, names: Iterable[str]) -> pa.RecordBatch:
    """Return a batch with columns that stand for values that were not read: any row may have them."""
    for name in names:
        batch = batch.append_column(name, pa.repeat(True, batch.num_rows))
    return batch


def _find_given(column: pa.Array) -> pa.Array:
    """Return whether each value is given, as `is_given` says of plain values."""
    kind = column.type
    if pa.types.is_struct(kind):
        parts = [_find_given(part) for part in column.flatten()]
        given = pa.repeat(False, len(column))
        for part in parts:
            given = pc.or_(given, part)
        return given
    if pa.types.is_boolean(kind):
        return column.fill_null(False)
    if pa.types.is_floating(kind):
        return pc.invert(pc.is_nan(column)).fill_null(False)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pc.greater(pc.list_value_length(column), 0).fill_null(False)
    if any(is_text(kind) for is_text in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)):
        return pc.greater(pc.binary_length(column), 0).fill_null(False)
    return column.is_valid()
