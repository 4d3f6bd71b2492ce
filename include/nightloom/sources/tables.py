"""Tables: read the wanted columns of any source as text, in batches."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from nightloom.conversations.other_columns import MARKS, OTHERS
from nightloom.core.errors import NightloomError, SchemaError, SourceError
from nightloom.core.extensions import SOURCES, load_extension
from nightloom.core.nights import NightCut
from nightloom.recipes.sources import DeltaSource, FilesSource, OtherSource, Source, SqlSource, zone_of
from nightloom.sources.base import Batch, Cut, Reader
from nightloom.sources.columns import describe_source
from nightloom.sources.delta import read_delta
from nightloom.sources.files import read_files
from nightloom.sources.formatting import find_nested, format_batch
from nightloom.sources.sql import read_query

NESTED = "\0nested"
"""A column of a table: names of the columns that hold a list or an object in this row. It is there if any do."""


def read_table(source: Source, columns: Sequence[str], night: NightCut | None, window_days: int) -> pl.DataFrame:
    """Return these columns of a small source as one frame."""
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
    mixed: Collection[str] = (),
    optional: Collection[str] = (),
    sparse: Collection[str] = (),
    others: bool = False,
) -> Iterator[pl.DataFrame]:
    """Return these columns of a source as text, with times in UTC, a few thousand rows at a time.

    NESTED is added to batches in which a plain or mixed column holds lists or objects, which are text otherwise.

    Args:
        source: A source of any kind.
        columns: Names of columns, in any order.
        night: The night whose cut is read, or None if the rows belong to no night.
        window_days: Length of the window before the end of the cut.
        plain: Columns that must not hold lists or objects. If the first batch has nothing else, the source is refused.
        mixed: Columns that may, if their values say what they mean.
        optional: Columns that the source may lack; they are null then.
        sparse: Columns that all rows of a JSON source may lack; they are null then.
        others: Whether the columns OTHERS and MARKS are added, which describe all other columns.

    Raises:
        SchemaError: A column is missing, or its values cannot be used.
        InputError: A file does not exist, or its content does not match its name.
        SourceError: The source does not answer, or refuses the query.
    """
    cut = None if night is None else Cut(night.window_from(window_days), night.cut_from, night.cut_to)
    # Readers of other packages know nothing of optional columns.
    is_other = isinstance(source, OtherSource)
    asked = [name for name in columns if name not in optional] if is_other else columns
    is_first = True
    try:
        more = (OTHERS, MARKS) if others and not is_other else ()
        for batch in _choose_reader(source, optional, sparse, others=others)(source, asked, cut):
            formatted = format_batch(batch, [*asked, *more], zone_of(source), (*optional, *sparse))
            nested = {name: one for name, one in find_nested(batch, asked).items() if name in {*plain, *mixed}}
            if is_first:
                _refuse_nested(source, [name for name in nested if name in plain], nested, formatted)
            is_first = False
            table = formatted.select(
                name if name in formatted.columns else pl.lit(None, pl.String).alias(name)
                for name in (*columns, *((OTHERS, MARKS) if others else ()))
            )
            yield table.with_columns(_name_nested(nested)) if nested else table
    except NightloomError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        msg = f"{describe_source(source)} returns values that cannot be read ({type(error).__name__}); correct them"
        raise SchemaError(msg) from None


def _refuse_nested(
    source: Source, plain: Sequence[str], nested: Mapping[str, pl.Series], formatted: pl.DataFrame
) -> None:
    """Raise if a plain column holds nothing but lists and objects: the recipe names another one."""
    for name in plain:
        if nested[name].sum() == len(formatted) - formatted[name].null_count():
            msg = (
                f"column {name!r} of {describe_source(source)} holds lists or objects instead of texts, numbers or "
                f"times; correct the column, or name it under task.columns.chat if it holds conversations"
            )
            raise SchemaError(msg)


def _name_nested(nested: Mapping[str, pl.Series]) -> pl.Series:
    """Return for each row the names of the columns that hold a list or an object."""
    named = [pl.when(is_nested).then(pl.lit(name)) for name, is_nested in nested.items()]
    return pl.select(pl.concat_list(named).list.drop_nulls().alias(NESTED))[NESTED]


def _choose_reader(source: Source, optional: Collection[str], sparse: Collection[str], *, others: bool) -> Reader[Any]:
    match source:
        case SqlSource():
            return partial(read_query, optional=optional, others=others)
        case FilesSource():
            return partial(read_files, optional=optional, sparse=sparse, others=others)
        case DeltaSource():
            return partial(read_delta, optional=optional, others=others)
        case OtherSource():
            return _guard(load_extension(SOURCES, source.kind))


def _guard(reader: Reader[OtherSource]) -> Reader[OtherSource]:
    """Turn any error of another package's reader into one message."""

    def read(source: OtherSource, columns: Sequence[str], cut: Cut | None) -> Iterator[Batch]:
        try:
            yield from reader(source, columns, cut)
        except NightloomError:
            raise
        except Exception as error:
            # The class alone, because the message may quote a row.
            msg = f"{describe_source(source)} failed with {type(error).__name__}; check the package that adds it"
            raise SourceError(msg) from error

    return read
