"""Source reader: the Protocol of every source kind, a function that yields the wanted columns in batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

import pyarrow as pa

Row = Sequence[Any]
"""Values of the wanted columns, in order."""

Batch: TypeAlias = Sequence[Row] | pa.RecordBatch

S_contra = TypeVar("S_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Cut:
    """The time range of a night, as aware times in UTC.

    Attributes:
        window_from: Earlier rows are left out.
        cut_from: Rows from this time on are new this night.
        cut_to: Rows and changes from this time on belong to later nights.
    """

    window_from: datetime
    cut_from: datetime
    cut_to: datetime


class Reader(Protocol[S_contra]):
    """Read a source of one kind."""

    def __call__(self, source: S_contra, columns: Sequence[str], cut: Cut | None) -> Iterable[Batch]:
        """Return these columns of every row, a few thousand rows at a time; values may have any plain type.

        A reader may ignore the cut: rows are then filtered by `updated_at`, if the recipe names such a column.

        Args:
            source: The recipe's `source`. For a kind from another package, its `options` hold the recipe's settings.
            columns: Names of columns, each once.
            cut: The night's cut, or None if the rows belong to no night, as those of an eval set.

        Raises:
            SchemaError: A column is missing; the night is refused.
            InputError: The recipe or the source is wrong in another way.
            SourceError: The source failed; a retry may help.
        """
        ...
