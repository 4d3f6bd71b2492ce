"""Columns: find the wanted columns of a source, and name a source in errors."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from nightloom.conversations.other_columns import describe_others
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


def pick_with_others(
    row: Sequence[Any], positions: Sequence[int | None], others: Sequence[tuple[str, int]] | None
) -> list[Any]:
    """Return the values of a row at some positions, and what its other columns hold if these are given."""
    picked = pick_values(row, positions)
    return picked if others is None else [*picked, *describe_others((name, row[index]) for name, index in others)]


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


class WantedColumns:
    """The wanted columns, and which of them the files had so far.

    Exporters leave out what is null: JSON each field, and tables a column that is null in every row. So a column may be
    missing in one place and be in another.

    Args:
        columns: Names of the columns.
        optional: Columns that all files may lack.
        sparse: Columns that some tables may lack, and all objects of JSON.
        others: Whether rows end with what the other columns hold (`describe_others`).
    """

    def __init__(
        self, columns: Sequence[str], optional: Collection[str], sparse: Collection[str], *, others: bool = False
    ) -> None:
        self.names, self.others = frozenset(columns), others
        self.columns, self._sparse, self._allowed = columns, {*sparse}, {*optional, *sparse}
        self._unseen = {*columns}.difference(optional)
        self._lacking: dict[str, tuple[str, list[str]]] = {}

    def place(self, known: Sequence[str], where: str) -> list[int | None]:
        """Return the index of each column in a file that names its columns, or None if it may lack the column."""
        positions = place_columns(self.columns, known, where, self._allowed)
        for name in self._unseen.difference(known):
            self._lacking.setdefault(name, (where, list(known)))
        self._unseen.difference_update(known)
        return positions

    def note_first(self, objects: Sequence[Mapping[str, Any]], where: str) -> None:
        """Note the names of the first objects of a file, for a column that no other object has."""
        known = list(dict.fromkeys(name for item in objects for name in item)) if objects else []
        for name in self._unseen.difference(self._sparse) if known else ():
            self._lacking.setdefault(name, (where, known))

    def note(self, item: Mapping[str, Any]) -> None:
        """Note the fields of one object."""
        if self._unseen:
            self._unseen -= item.keys()

    def finish(self) -> None:
        """Refuse a column that the whole source lacks.

        Raises:
            SchemaError: A column is missing.
        """
        for name in self.columns:
            if name in self._unseen and name in self._lacking:
                where, known = self._lacking[name]
                find_columns([name], known, where)
