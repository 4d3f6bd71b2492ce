"""Tables: the rows of any source as text, read in batches, with the columns that were asked for."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import polars as pl

from nightloom.core.errors import NightloomError, SchemaError, SourceError
from nightloom.core.extensions import SOURCES, load_extension
from nightloom.core.nights import NightCut
from nightloom.recipes.sources import DeltaSource, FilesSource, OtherSource, Source, SqlSource
from nightloom.sources.base import Batch, Cut, Reader
from nightloom.sources.columns import describe_source
from nightloom.sources.delta import read_delta
from nightloom.sources.files import read_files
from nightloom.sources.formatting import find_nested, spell_batch
from nightloom.sources.sql import read_query


def read_table(source: Source, columns: Sequence[str], night: NightCut | None, window_days: int) -> pl.DataFrame:
    """Return these columns of a small source whole, as `read_batches` gives them."""
    return pl.concat(
        [pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), *read_batches(source, columns, night, window_days)]
    )


def read_batches(
    source: Source,
    columns: Sequence[str],
    night: NightCut | None,
    window_days: int,
    *,
    plain: Collection[str] = (),
) -> Iterator[pl.DataFrame]:
    """Return these columns of a source, every value as text, times in UTC, a few thousand rows at a time.

    Args:
        source: Of any kind.
        columns: Names of columns, in any order.
        night: Whose cut is read; none where it belongs to no night.
        window_days: Days before the cut's end at which the window begins.
        plain: Those of the columns that may not hold lists or objects.

    Raises:
        SchemaError: A column is not there, or what it holds cannot be used.
        InputError: A file is not there, or not what its name says.
        SourceError: The source does not answer, or refuses the query.
    """
    cut = None if night is None else Cut(night.window_from(window_days), night.cut_from, night.cut_to)
    try:
        for batch in _choose_reader(source)(source, columns, cut):
            spelled = spell_batch(batch, columns)
            _refuse_nested(source, [name for name in find_nested(batch, columns) if name in plain])
            yield spelled
    except NightloomError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        msg = f"{describe_source(source)} gives values that cannot be read ({type(error).__name__}); correct them"
        raise SchemaError(msg) from None


def _refuse_nested(source: Source, nested: Sequence[str]) -> None:
    if nested:
        msg = (
            f"column {nested[0]!r} of {describe_source(source)} holds lists or objects, where texts, numbers or times "
            f"are asked for; correct the column (conversations are read by task.columns.chat)"
        )
        raise SchemaError(msg)


def _choose_reader(source: Source) -> Reader[Any]:
    match source:
        case SqlSource():
            return read_query
        case FilesSource():
            return read_files
        case DeltaSource():
            return read_delta
        case OtherSource():
            return _guard(load_extension(SOURCES, source.kind))


def _guard(reader: Reader[OtherSource]) -> Reader[OtherSource]:
    """Have whatever another package's reader raises end in one sentence."""

    def read(source: OtherSource, columns: Sequence[str], cut: Cut | None) -> Iterator[Batch]:
        try:
            yield from reader(source, columns, cut)
        except NightloomError:
            raise
        except Exception as error:
            # The class alone: somebody's message may quote a row.
            msg = f"{describe_source(source)} failed with {type(error).__name__}; look into the package that adds it"
            raise SourceError(msg) from error

    return read
