"""Files: read rows of CSV, JSON, Parquet and Arrow files, plain or compressed, on disk or in S3.

Files are read in batches. A damaged file is refused as a whole, with a message that shows no row.
"""

import csv
import errno
import gzip
import io
import json
import logging
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from nightloom.core.digests import parse_json, parse_json_prefix
from nightloom.core.errors import InputError, SchemaError, SourceError
from nightloom.recipes.sources import FilesSource
from nightloom.registry.store import open_store
from nightloom.sources.base import Batch, Cut, Row
from nightloom.sources.columns import find_columns, pick_values, place_columns

logger = logging.getLogger(__name__)

MOST_CHARACTERS = 10_000_000
"""Limit for one line or one JSON value: anything longer is not a row of text, and must not fill the memory."""

MOST_GROUP_BYTES = 4 << 30
"""Limit for one row group of a Parquet file, as its footer declares it."""

_BATCH_ROWS = 5_000
_CHUNK = 1 << 20  # characters
_FORMATS = (".csv", ".jsonl", ".ndjson", ".json", ".parquet", ".arrow")
_BINARY = (".parquet", ".arrow")
_PACKED = (".gz", ".zst")
_DESCRIPTIONS = ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")
_MOST_NAMED = 3
_ARROW_FILE = b"ARROW1"
_JSON_BLANKS = " \t\n\r"  # JSON has no others: any other character is part of a damaged value
# The user has to fix these; other operating system errors may be temporary.
_WRONG_PATH = (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)

_OpenFile = Callable[[], AbstractContextManager[IO[bytes]]]
_Files = list[tuple[str, _OpenFile]]


class _EmptyError(ValueError):
    """A text file holds nothing at all."""


class _Wanted:
    """The wanted columns, and which of them the files had so far.

    Exporters leave out what is null: JSON each field, and tables a column that is null in every row. So a column may be
    missing in one place and be in another.

    Args:
        columns: Names of the columns.
        optional: Columns that all files may lack.
        sparse: Columns that some tables may lack, and all objects of JSON.
    """

    def __init__(self, columns: Sequence[str], optional: Collection[str], sparse: Collection[str]) -> None:
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


def read_files(
    source: FilesSource,
    columns: Sequence[str],
    cut: Cut | None,
    *,
    optional: Collection[str] = (),
    sparse: Collection[str] = (),
) -> Iterator[Batch]:
    """Return these columns of every row in batches, with files in the order of their names.

    The cut is ignored: files have no versions.

    Args:
        source: The files.
        columns: Names of the columns.
        cut: Ignored.
        optional: Columns that all files may lack.
        sparse: Columns that some tables may lack, and all objects of JSON.

    Raises:
        SchemaError: A column is missing.
        InputError: The file does not exist, or its content does not match its name.
        SourceError: Reading failed.
        StoreError: The object store does not answer.
    """
    wanted = _Wanted(columns, optional, sparse)
    files = _list_files(source)
    # Other tools write a file for each of their processes, also for one without rows.
    harmless = (_EmptyError,) if len(files) > 1 else ()
    for name, open_file in files:
        with _explain_errors(f"the file {name!r}"), suppress(*harmless), open_file() as file:
            yield from _read_file(name, file, wanted)
    wanted.finish()


def _list_files(source: FilesSource) -> _Files:
    """Return the files that hold rows, without those that other tools leave next to them.

    Raises:
        InputError: No file holds rows.
    """
    path = source.resolved_path()
    if path.startswith("s3://"):
        found, folders = _list_in_s3(path)
    else:
        found, folders = _list_on_disk(Path(path))
    rows = [(name, open_file) for name, open_file in found if not _is_no_data(path, name)]
    known = [(name, open_file) for name, open_file in rows if _is_known(*_suffixes(name))]
    if not known:
        raise InputError(_explain_no_file(path, [name for name, _ in rows or found], folders))
    left_out = sorted({Path(name).name for name, _ in found} - {Path(name).name for name, _ in known})
    if left_out or folders:
        logger.info("source %s: not read: %s", path, ", ".join([*left_out, *folders][:_MOST_NAMED]))
    return known


def _is_no_data(path: str, name: str) -> bool:
    """Whether a file lies next to the data of other tools, and is not named by the path itself.

    Names that begin with a dot or an underscore are those of macOS, Spark and others, also of whole folders.
    """
    fixed = re.split(r"[*?\[]", path, maxsplit=1)[0]
    parts = Path(name.removeprefix(fixed).lstrip("/")).parts
    begins = Path(path).name[:1]
    hidden = [part for part in parts if part[0] in "._" and part[0] != begins]
    return bool(parts) and (bool(hidden) or parts[-1] in _DESCRIPTIONS)


def _explain_no_file(path: str, others: Sequence[str], folders: Sequence[str]) -> str:
    if others:
        named, endings = ", ".join(Path(name).name for name in others[:_MOST_NAMED]), ", ".join(_FORMATS)
        packed = " or ".join(_PACKED)
        return f"{named} at {path!r} should end in one of {endings}; text may have {packed} after it"
    if folders:
        pattern = f"{path.rstrip('/*')}/*/*"
        return (
            f"there are only folders at {path!r}, such as {folders[0]}; name the files in them by a pattern, such as "
            f"{pattern!r} (the name of a folder is not read as a column)"
        )
    return f"there is no file at {path!r}; check the path"


def _list_on_disk(path: Path) -> tuple[_Files, list[str]]:
    """Return the files of a path, and the names of the folders there, which are not read."""
    if (path / "dataset_dict.json").is_file():
        msg = (
            f"{str(path)!r} holds several splits of a dataset; name the folder of one, such as {str(path / 'train')!r}"
        )
        raise InputError(msg)
    if (path / "state.json").is_file() and (path / "dataset_info.json").is_file():
        paths = _list_dataset(path)
    elif path.is_dir():
        paths = sorted(path.iterdir())
    elif any(sign in str(path) for sign in "*?["):
        root = Path(path.anchor)
        paths = sorted(root.glob(str(path.relative_to(root))))
    else:
        paths = [path] if path.exists() else []
    files: _Files = [(str(one), partial(_open, one)) for one in paths if one.is_file()]
    return files, [one.name for one in paths if one.is_dir() and one.name[0] not in "._"]


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _list_dataset(folder: Path) -> list[Path]:
    """Return the files of a folder written by `save_to_disk` of Hugging Face's `datasets`, in order."""
    state = folder / "state.json"
    with _explain_errors(f"the file {str(state)!r}"):
        names = [entry["filename"] for entry in parse_json(state.read_bytes())["_data_files"]]
        wrong = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
        if wrong:
            msg = f"it names {wrong[0]!r}, which is not a file in its folder"
            raise ValueError(msg)
    return [folder / name for name in names]


def _list_in_s3(pattern: str) -> tuple[_Files, list[str]]:
    name, _, keys = pattern.removeprefix("s3://").partition("/")
    bucket = open_store().bucket.other(name)
    files: _Files = [(f"s3://{name}/{key}", partial(bucket.open, key)) for key in bucket.list_versions(keys)]
    return files, []


def _suffixes(name: str) -> tuple[str, str]:
    """Return a name's ending, and its ending for compression."""
    path = Path(name.lower())
    return (Path(path.stem).suffix, path.suffix) if path.suffix in _PACKED else (path.suffix, "")


def _is_known(kind: str, packed: str) -> bool:
    return kind in _FORMATS and not (packed and kind in _BINARY)


def _read_file(name: str, file: IO[bytes], wanted: _Wanted) -> Iterator[Batch]:
    kind, packed = _suffixes(name)
    where = f"the file {name!r}"
    if kind in _BINARY:
        for batch in (_read_parquet if kind == ".parquet" else _read_arrow)(file, wanted, where):
            # A file may hold anything, such as invalid UTF-8 or offsets beyond the end of a column.
            batch.validate(full=True)
            yield batch
    else:
        yield from _cut_into_batches(_read_text(kind, _unpack(file, packed), wanted, where))


def _cut_into_batches(rows: Iterator[Row]) -> Iterator[Sequence[Row]]:
    """Return rows in batches of a few thousand, and fewer if they are long."""
    batch: list[Row] = []
    characters = 0
    for row in rows:
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


def _read_text(kind: str, file: Any, wanted: _Wanted, where: str) -> Iterator[Row]:
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        if kind == ".csv":
            yield from _read_csv(text, wanted, where)
        else:
            yield from _pick(_read_array(text) if kind == ".json" else _read_lines(text), wanted, where)


def _read_csv(text: IO[str], wanted: _Wanted, where: str) -> Iterator[Row]:
    csv.field_size_limit(MOST_CHARACTERS)
    lines = csv.reader(_bounded_lines(text), strict=True)
    header = next(filter(None, lines), None)
    if header is None:
        msg = "it is empty"
        raise _EmptyError(msg)
    if not {*header} & {*wanted.columns}:
        # The message does not quote the line: if the header was lost, it is a row.
        msg = f"the first line of {where} names none of the columns {', '.join(wanted.columns)}; add a header line"
        raise SchemaError(msg)
    positions = wanted.place(header, where)
    for row in lines:
        if row and len(row) != len(header):
            msg = f"{where} has rows without the {len(header)} values of its header; quote commas"
            raise InputError(msg)
        if row:
            yield pick_values(row, positions)


def _read_lines(text: IO[str]) -> Iterator[Any]:
    for number, line in enumerate(_bounded_lines(text), start=1):
        if line.strip(_JSON_BLANKS):
            yield _parse(line, f"line {number}")


def _bounded_lines(text: IO[str]) -> Iterator[str]:
    number = 0
    while line := text.readline(MOST_CHARACTERS + 1):
        number += 1
        if len(line) > MOST_CHARACTERS:
            msg = f"line {number} has more than {MOST_CHARACTERS:,} characters"
            raise ValueError(msg)
        yield line


def _read_array(text: IO[str]) -> Iterator[Any]:
    """Return the items of one JSON array, holding one item in memory at a time."""
    first = text.read(_CHUNK)
    if not first:
        msg = "it is empty"
        raise _EmptyError(msg)
    buffer = _fill(text, first, "it is not a JSON array")
    if not buffer.startswith("["):
        hint = "; name it .jsonl if it holds one object a line" if buffer.startswith("{") else ""
        msg = f"it is not a JSON array{hint}"
        raise ValueError(msg)
    buffer, number, separator = buffer[1:], 0, ""
    while True:
        buffer = _fill(text, buffer)
        if buffer.startswith("]"):
            break
        if separator and not buffer.startswith(separator):
            msg = f"a comma is missing after item {number}"
            raise ValueError(msg)
        buffer, number, separator = buffer[len(separator) :], number + 1, ","
        item, buffer = _read_item(text, buffer, number)
        yield item
    if buffer[1:].strip(_JSON_BLANKS) or text.read(_CHUNK).strip(_JSON_BLANKS):
        msg = "something follows the array"
        raise ValueError(msg)


def _fill(text: IO[str], buffer: str, otherwise: str = "the array does not end") -> str:
    """Return the buffer without leading white space, and read more if it is empty."""
    buffer = buffer.lstrip(_JSON_BLANKS)
    while not buffer:
        more = text.read(_CHUNK)
        if not more:
            raise ValueError(otherwise)
        buffer = more.lstrip(_JSON_BLANKS)
    return buffer


def _read_item(text: IO[str], buffer: str, number: int) -> tuple[Any, str]:
    """Return the next value, and the rest of the buffer."""
    buffer = _fill(text, buffer)
    while True:
        try:
            item, end = parse_json_prefix(buffer)
            # A number at the end of the buffer may be incomplete.
            if end < len(buffer):
                return item, buffer[end:]
        except ValueError as error:
            if not isinstance(error, json.JSONDecodeError) or len(buffer) > MOST_CHARACTERS:
                msg = f"item {number} is not usable JSON: {error}"
                raise ValueError(msg) from error
        more = text.read(max(_CHUNK, len(buffer)))
        if not more:
            msg = f"item {number} is not JSON, or the array does not end"
            raise ValueError(msg)
        buffer += more


def _pick(items: Iterator[Any], wanted: _Wanted, where: str) -> Iterator[Row]:
    """Return the wanted fields of objects: null if an object lacks one."""
    objects = (_as_object(item) for item in items)
    first = list(islice(objects, _BATCH_ROWS))
    wanted.note_first(first, where)
    for item in chain(first, objects):
        wanted.note(item)
        yield [item.get(name) for name in wanted.columns]


def _as_object(item: Any) -> dict[str, Any]:
    if isinstance(item, dict):
        return item
    msg = "it holds values that are not objects"
    raise ValueError(msg)


def _read_parquet(file: IO[bytes], wanted: _Wanted, where: str) -> Iterator[pa.RecordBatch]:
    parquet = pq.ParquetFile(file)
    known = parquet.schema_arrow.names
    wanted.place(known, where)
    columns = [name for name in wanted.columns if name in known]
    for number in range(parquet.num_row_groups):
        declared = parquet.metadata.row_group(number).total_byte_size
        if not 0 <= declared <= MOST_GROUP_BYTES:
            msg = f"its footer declares a row group of {declared:,} bytes"
            raise ValueError(msg)
    read = 0
    for number in range(parquet.num_row_groups):
        # One by one: for all groups at once, the library keeps each until the last is read.
        for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=[number], columns=columns):
            read += batch.num_rows
            yield batch
    if read != parquet.metadata.num_rows:
        msg = f"its footer declares {parquet.metadata.num_rows:,} rows, but it holds {read:,}"
        raise ValueError(msg)


def _read_arrow(file: IO[bytes], wanted: _Wanted, where: str) -> Iterator[pa.RecordBatch]:
    is_file = file.read(len(_ARROW_FILE)) == _ARROW_FILE
    file.seek(0)
    with pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file) as reader:
        known = reader.schema.names
        wanted.place(known, where)
        columns = [name for name in wanted.columns if name in known]
        for batch in map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader:
            yield batch.select(columns)


def _parse(text: str, what: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        msg = f"{what} is not usable JSON: {error}"
        raise ValueError(msg) from error


@contextmanager
def _explain_errors(where: str) -> Iterator[None]:
    """Turn a parser's errors into one message about the file."""
    try:
        yield
    except (csv.Error, ValueError, KeyError, TypeError, EOFError, OSError, zlib.error, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno not in (None, *_WRONG_PATH):
            msg = f"{where} cannot be read: {error.strerror}; `nightloom doctor` checks the machine"
            raise SourceError(msg) from error
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())[:300]
        msg = f"{where} cannot be used: {reason}; no row of it was used"
        raise InputError(msg) from error
