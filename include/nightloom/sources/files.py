"""Files: read rows of CSV, JSON, Parquet and Arrow files, plain or compressed, on disk or in S3.

Files are read in batches. A damaged file is refused as a whole, with a message that shows no row.
"""

import gzip
import io
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from nightloom.conversations.message_keys import may_change_row
from nightloom.conversations.other_columns import add_unseen, list_others
from nightloom.core.counts import show_count
from nightloom.recipes.sources import FilesSource
from nightloom.sources.base import Batch, Cut, Row
from nightloom.sources.columns import WantedColumns
from nightloom.sources.file_errors import explain_errors
from nightloom.sources.listing import BINARY, list_files, split_suffixes
from nightloom.sources.text_files import MOST_CHARACTERS, EmptyFileError, Numbered, read_text, unit_of

MOST_GROUP_BYTES = 4 << 30
"""Limit for one row group of a Parquet file, as its footer declares it."""

_BATCH_ROWS = 5_000
_MOST_OTHER_BYTES = 1_000  # a row
_ARROW_FILE = b"ARROW1"


def read_files(
    source: FilesSource,
    columns: Sequence[str],
    cut: Cut | None,
    *,
    optional: Collection[str] = (),
    sparse: Collection[str] = (),
    others: bool = False,
) -> Iterator[Batch]:
    """Return these columns of every row in batches, with files in the order of their names.

    The cut is ignored: files have no versions.

    Args:
        source: The files.
        columns: Names of the columns.
        cut: Ignored.
        optional: Columns that all files may lack.
        sparse: Columns that some tables may lack, and all objects of JSON.
        others: Whether rows of text end with what their other columns hold, and tables have their other columns.

    Raises:
        SchemaError: A column is missing.
        InputError: The file does not exist, or its content does not match its name.
        SourceError: Reading failed.
        StoreError: The object store does not answer.
    """
    wanted = WantedColumns(columns, optional, sparse, others=others)
    files = list_files(source)
    # Other tools write a file for each of their processes, also for one without rows.
    harmless = (EmptyFileError,) if len(files) > 1 else ()
    for name, open_file in files:
        with explain_errors(f"the file {name!r}"), suppress(*harmless), open_file() as file:
            yield from _read_file(name, file, wanted)
    wanted.finish()


def find_value(source: FilesSource, column: str, is_wanted: Callable[[Any], bool]) -> str | None:
    """Return where a column first has such a value, for an error: `line 7 of 'rows.csv'`, or None if nowhere.

    Raises:
        InputError: A file cannot be read.
    """
    wanted = WantedColumns([column], [column], [])
    for name, open_file in list_files(source):
        kind, packed = split_suffixes(name)
        with explain_errors(f"the file {name!r}"), suppress(EmptyFileError), open_file() as file:
            if kind in BINARY:
                unit, values = "row", _number_values(_read_binary(kind, file, wanted, name), column)
            else:
                rows = read_text(kind, _unpack(file, packed), wanted, name)
                unit, values = unit_of(kind), ((number, row[0]) for number, row in rows)
            for number, value in values:
                if is_wanted(value):
                    return f"{unit} {number} of {name!r}"
    return None


def _number_values(batches: Iterator[pa.RecordBatch], column: str) -> Iterator[tuple[int, Any]]:
    values = (value for batch in batches if column in batch.schema.names for value in batch.column(column).to_pylist())
    return enumerate(values, start=1)


def _read_file(name: str, file: IO[bytes], wanted: WantedColumns) -> Iterator[Batch]:
    kind, packed = split_suffixes(name)
    where = f"the file {name!r}"
    if kind in BINARY:
        yield from _read_binary(kind, file, wanted, where)
    else:
        yield from _cut_into_batches(read_text(kind, _unpack(file, packed), wanted, where))


def _read_binary(kind: str, file: IO[bytes], wanted: WantedColumns, where: str) -> Iterator[pa.RecordBatch]:
    for batch in (_read_parquet if kind == ".parquet" else _read_arrow)(file, wanted, where):
        # A file may hold anything, such as invalid UTF-8 or offsets beyond the end of a column.
        # What is not read cannot do harm.
        read = [name for name in batch.schema.names if name in wanted.names or may_change_row(name)]
        batch.select(read).validate(full=True)
        yield batch


def _cut_into_batches(rows: Iterator[Numbered]) -> Iterator[Sequence[Row]]:
    """Return rows in batches of a few thousand, and fewer if they are long."""
    batch: list[Row] = []
    characters = 0
    for _, row in rows:
        batch.append(row)
        characters += sum(len(value) for value in row if isinstance(value, str))
        if len(batch) == _BATCH_ROWS or characters > MOST_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _unpack(file: IO[bytes], packed: str) -> Any:
    if packed == ".gz":
        return gzip.open(file)
    return io.BufferedReader(pa.CompressedInputStream(file, "zstd")) if packed == ".zst" else file


def _read_parquet(file: IO[bytes], wanted: WantedColumns, where: str) -> Iterator[pa.RecordBatch]:
    # With extensions, values such as UUIDs are read as what the schema calls them, and not as bytes.
    parquet = pq.ParquetFile(file, arrow_extensions_enabled=True)
    known = parquet.schema_arrow.names
    wanted.place(known, where)
    list_others(known, wanted.names, where)
    columns = [name for name in wanted.columns if name in known]
    for number in range(parquet.num_row_groups):
        declared = parquet.metadata.row_group(number).total_byte_size
        if not 0 <= declared <= MOST_GROUP_BYTES:
            msg = f"its footer declares a row group of {declared:,} bytes"
            raise ValueError(msg)
    read = 0
    for number in range(parquet.num_row_groups):
        narrow, wide = _sort_others(parquet, number, wanted) if wanted.others else ([], [])
        # One by one: for all groups at once, the library keeps each until the last is read.
        for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=[number], columns=[*columns, *narrow]):
            read += batch.num_rows
            yield add_unseen(batch, wide)
    if read != parquet.metadata.num_rows:
        msg = f"its footer declares {show_count(parquet.metadata.num_rows, 'row', form=',')}, but it holds {read:,}"
        raise ValueError(msg)


def _sort_others(parquet: pq.ParquetFile, number: int, wanted: WantedColumns) -> tuple[list[str], list[str]]:
    """Return the other columns of a row group that are cheap to read, and those with long values."""
    group = parquet.metadata.row_group(number)
    sizes = Counter[str]()
    for chunk in map(group.column, range(group.num_columns)):
        sizes[chunk.path_in_schema.split(".")[0]] += chunk.total_uncompressed_size
    others = [name for name in parquet.schema_arrow.names if name not in wanted.names]
    most = _MOST_OTHER_BYTES * group.num_rows
    narrow = [name for name in others if sizes[name] <= most or may_change_row(name)]
    return narrow, [name for name in others if name not in narrow]


def _read_arrow(file: IO[bytes], wanted: WantedColumns, where: str) -> Iterator[pa.RecordBatch]:
    is_file = file.read(len(_ARROW_FILE)) == _ARROW_FILE
    file.seek(0)
    with pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file) as reader:
        known = reader.schema.names
        wanted.place(known, where)
        list_others(known, wanted.names, where)
        columns = [name for name in wanted.columns if name in known]
        for batch in map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader:
            yield batch if wanted.others else batch.select(columns)
