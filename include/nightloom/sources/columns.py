"""Columns: find the wanted columns of a source, and name a source in errors."""

import difflib
from collections.abc import Collection, Sequence
from typing import Any

from nightloom.core.errors import SchemaError
from nightloom.recipes.sources import DeltaSource, OtherSource, Source, SqlSource


def describe_source(source: Source) -> str:
    """Return a source's name for errors, without its password."""
    if isinstance(source, SqlSource):
        return f"the query on connection {source.connection!r}"
    if isinstance(source, DeltaSource):
        return f"the Delta table {source.resolved_path()!r}"
    if isinstance(source, OtherSource):
        return f"the source of kind {source.kind!r}"
    return f"the file {source.resolved_path()!r}"


def find_columns(wanted: Sequence[str], known: Sequence[str], where: str) -> list[int]:
    """Return the index of each wanted column.

    Raises:
        SchemaError: A column is missing or duplicate.
    """
    return [_find_column(name, known, where) for name in wanted]


def place_columns(
    wanted: Sequence[str], known: Sequence[str], where: str, optional: Collection[str]
) -> list[int | None]:
    """Return the index of each wanted column, or None for an optional one that is missing.

    Raises:
        SchemaError: A column is missing or duplicate.
    """
    return [None if name in optional and name not in known else _find_column(name, known, where) for name in wanted]


def pick_values(row: Sequence[Any], positions: Sequence[int | None]) -> list[Any]:
    """Return the values of a row at some positions; null where there is none."""
    return [None if position is None else row[position] for position in positions]


def _find_column(name: str, known: Sequence[str], where: str) -> int:
    if known.count(name) == 1:
        return known.index(name)
    if name in known:
        msg = f"column {name!r} occurs more than once in {where}; give each column its own name"
        raise SchemaError(msg)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    msg = f"{where} has no column {name!r}. {hint}Known: {', '.join(known)}"
    raise SchemaError(msg)
