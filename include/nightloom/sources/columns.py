"""Columns: where the ones that are wanted stand among those that a source has, and how a source is named in errors."""

import difflib
from collections.abc import Sequence

from nightloom.core.errors import SchemaError
from nightloom.recipes.sources import DeltaSource, OtherSource, Source, SqlSource


def describe_source(source: Source) -> str:
    """Name a source in an error, without its password."""
    if isinstance(source, SqlSource):
        return f"the query on connection {source.connection!r}"
    if isinstance(source, DeltaSource):
        return f"the Delta table {source.path!r}"
    if isinstance(source, OtherSource):
        return f"the source of kind {source.kind!r}"
    return f"the file {source.path!r}"


def find_columns(wanted: Sequence[str], known: Sequence[str], where: str) -> list[int]:
    """Return the place of each wanted column.

    Raises:
        SchemaError: One is not there, or stands twice.
    """
    return [_find_column(name, known, where) for name in wanted]


def _find_column(name: str, known: Sequence[str], where: str) -> int:
    if known.count(name) == 1:
        return known.index(name)
    if name in known:
        msg = f"column {name!r} stands more than once in {where}; give each its own name"
        raise SchemaError(msg)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    msg = f"{where} has no column {name!r}. {hint}Known: {', '.join(known)}"
    raise SchemaError(msg)
