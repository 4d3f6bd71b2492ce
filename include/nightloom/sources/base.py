"""What every kind of source is: a function that gives the wanted columns of its rows, a batch at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

import pyarrow as pa

Row = Sequence[Any]
"""Values of the wanted columns, in their order."""

Batch: TypeAlias = Sequence[Row] | pa.RecordBatch

S_contra = TypeVar("S_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Cut:
    """The times of a night that a source is read by, aware and in UTC.

    Attributes:
        window_from: Rows from before it are not wanted.
        cut_from: Rows from then on are the night's own.
        cut_to: Rows from then on are not wanted yet, nor what became of others since.
    """

    window_from: datetime
    cut_from: datetime
    cut_to: datetime


class Reader(Protocol[S_contra]):
    """Reads a source of one kind."""

    def __call__(self, source: S_contra, columns: Sequence[str], cut: Cut | None) -> Iterable[Batch]:
        """Return these columns of every row, some thousand rows at a time; values may have any plain type.

        What the reader does not cut by itself is cut by `updated_at`, where the recipe names it.

        Args:
            source: The recipe's `source`; of a kind from another package, its `options` hold what the recipe says.
            columns: Names of columns, each once.
            cut: The night's; none for what belongs to no night, as an eval set.

        Raises:
            SchemaError: A column is not there: the night is refused.
            InputError: Something else that the reader can mend.
            SourceError: Trying again may help.
        """
        ...
