"""Text files: the rows of CSV and JSON, each with the number of its line or item."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any

from nightloom.conversations.other_columns import describe_others, list_others
from nightloom.core.counts import show_count
from nightloom.core.digests import parse_json, parse_json_prefix
from nightloom.core.errors import SchemaError
from nightloom.sources.base import Row
from nightloom.sources.columns import WantedColumns, pick_with_others

MOST_CHARACTERS = 10_000_000
"""Limit for one line or one JSON value: anything longer is not a row of text, and must not fill the memory."""

_FIRST_ROWS = 5_000
_CHUNK = 1 << 20  # characters
_JSON_BLANKS = " \t\n\r"  # JSON has no others: any other character is part of a damaged value
_NO_BLANK = re.compile(f"[^{_JSON_BLANKS}]")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_OTHER_KINDS = {
    b"\x1f\x8b": "packed by gzip; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "packed by zstd; let its name end in .zst",
    b"PAR1": "Parquet; let its name end in .parquet",
    b"ARROW1": "Arrow; let its name end in .arrow",
    b"PK": "a ZIP archive or a workbook; unpack it, or save it as CSV",
}
"""First bytes of files that are no text → what they are, and what to do."""

Numbered = tuple[int, Row]


class EmptyFileError(ValueError):
    """A text file holds nothing at all."""

    def __init__(self) -> None:
        super().__init__("it is empty")


def unit_of(kind: str) -> str:
    """Return what the number of a row counts in a format."""
    return "item" if kind == ".json" else "line"


def read_text(kind: str, file: Any, wanted: WantedColumns, where: str) -> Iterator[Numbered]:
    """Return the wanted values of each row.

    Args:
        kind: Ending of the file's name.
        file: Its bytes, unpacked.
        wanted: The wanted columns.
        where: Name of the file, for errors.

    Raises:
        SchemaError: A column is missing.
        ValueError: The content does not match the ending. The message names a line or an item, and quotes no row.
    """
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        if kind == ".csv":
            yield from _read_csv(text, wanted, where)
        else:
            items = _read_array(text) if kind == ".json" else _read_lines(text)
            yield from _pick(items, wanted, where, unit_of(kind))


def _read_csv(text: IO[str], wanted: WantedColumns, where: str) -> Iterator[Numbered]:
    lines = _bounded_lines(text)
    first = next(lines, "")
    if not _split_header(first, ",") & {*wanted.columns}:
        _refuse_header(first, wanted, where)
    rows = _parse_csv(chain([first], lines))
    _, header = next(rows, (0, None))
    if header is None:
        raise EmptyFileError
    if not {*header} & {*wanted.columns}:
        named = ", ".join(wanted.columns)
        msg = f"the first line of {where} names none of the columns {named}; add a header line"
        raise SchemaError(msg)
    positions = wanted.place(header, where)
    others = list_others(header, wanted.names, where) if wanted.others else None
    for number, row in rows:
        if len(row) == len(header):
            yield number, pick_with_others(row, positions, others)
        elif len(row) > 1 or row[0].strip():  # a line of blanks is none
            values = show_count(len(row), "value")
            msg = f"line {number} has {values}, and the header has {len(header)}; quote values with commas"
            raise ValueError(msg)


def _parse_csv(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Return the rows that are not empty, each with the line in which it begins."""
    csv.field_size_limit(MOST_CHARACTERS)
    rows, begins = csv.reader(lines, strict=True), 1
    try:
        for row in rows:
            if row:
                yield begins, row
            begins = rows.line_num + 1
    except csv.Error as error:
        msg = f"the row that begins in line {begins} is not CSV ({error}); check its quotes"
        raise ValueError(msg) from error


def _split_header(line: str, separator: str) -> set[str]:
    return {value.strip(' "\r\n') for value in line.split(separator)}


def _refuse_header(line: str, wanted: WantedColumns, where: str) -> None:
    """Refuse a first line that shows what another program wrote.

    No message quotes the line: if the header was lost, it is a row.

    Raises:
        SchemaError: The line has another separator, other capitals, or no columns at all.
    """
    for separator, name in _SEPARATORS.items():
        if _split_header(line, separator) & {*wanted.columns}:
            msg = f"{where} seems to be separated by {name}; separate its values by commas"
            raise SchemaError(msg)
    if line.lower().startswith("sep="):
        msg = f"the first line of {where} names its separator, and no column; remove the line"
        raise SchemaError(msg)
    if {name.lower() for name in _split_header(line, ",")} & {name.lower() for name in wanted.columns}:
        msg = (
            f"the first line of {where} has columns with other capitals than {', '.join(wanted.columns)}; correct them"
        )
        raise SchemaError(msg)


def _read_lines(text: IO[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_bounded_lines(text), start=1):
        if line.strip(_JSON_BLANKS):
            yield number, _parse_line(line, number)


def _bounded_lines(text: IO[str]) -> Iterator[str]:
    number = 0
    while line := _read_line(text, number):
        number += 1
        if len(line) > MOST_CHARACTERS:
            msg = f"line {number} has more than {MOST_CHARACTERS:,} characters"
            raise ValueError(msg)
        yield line


def _read_line(text: IO[str], before: int) -> str:
    """Return the next line, or an empty text at the end.

    Args:
        text: The file.
        before: Number of lines that were read.
    """
    try:
        return text.readline(MOST_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        # Many lines are decoded at a time. Those before the one with the damage are in the error.
        kind = next((kind for begins, kind in _OTHER_KINDS.items() if error.object.startswith(begins)), None)
        if kind and not before:
            msg = f"it is {kind}"
            raise ValueError(msg) from None
        number = before + 1 + error.object.count(b"\n", 0, error.start)
        msg = f"line {number} is not UTF-8; save the file as UTF-8"
        raise ValueError(msg) from None


def _read_array(text: IO[str]) -> Iterator[tuple[int, Any]]:
    """Return the items of one JSON array, holding a chunk of it in memory at a time."""
    first = text.read(_CHUNK)
    if not first:
        raise EmptyFileError
    rest = _Rest(text, first)
    begins = rest.skip_blanks("it is not a JSON array")
    if begins != "[":
        hint = "; name it .jsonl if it holds one object a line" if begins == "{" else ""
        msg = f"it is not a JSON array{hint}"
        raise ValueError(msg)
    rest.at += 1
    number = 0
    while (begins := rest.skip_blanks()) != "]":
        if number and begins != ",":
            msg = f"a comma is missing after item {number}"
            raise ValueError(msg)
        rest.at += bool(number)
        number += 1
        yield number, rest.read_item(number)
    if rest.buffer[rest.at + 1 :].strip(_JSON_BLANKS) or text.read(_CHUNK).strip(_JSON_BLANKS):
        msg = "something follows the array"
        raise ValueError(msg)


@dataclass(slots=True)
class _Rest:
    """The rest of a file of JSON: a buffer from some position on, and what was not read yet."""

    file: IO[str]
    buffer: str
    at: int = 0

    def skip_blanks(self, otherwise: str = "the array does not end") -> str:
        """Move to the next character that is no blank, and return it; raise if there is none."""
        while True:
            found = _NO_BLANK.search(self.buffer, self.at)
            if found:
                self.at = found.start()
                return found.group()
            self.buffer, self.at = self.file.read(_CHUNK), 0
            if not self.buffer:
                raise ValueError(otherwise)

    def read_item(self, number: int) -> Any:
        """Return the next value, and move behind it."""
        self.skip_blanks()
        while True:
            held = len(self.buffer) - self.at
            try:
                item, end = parse_json_prefix(self.buffer, self.at)
                # A number at the end of the buffer may be incomplete.
                if end < len(self.buffer):
                    self.at = end
                    return item
            except ValueError as error:
                if not isinstance(error, json.JSONDecodeError) or held > MOST_CHARACTERS:
                    msg = f"item {number} is not usable JSON: {error}"
                    raise ValueError(msg) from error
            more = self.file.read(max(_CHUNK, held))
            if not more:
                msg = f"item {number} is not JSON, or the array does not end"
                raise ValueError(msg)
            self.buffer, self.at = self.buffer[self.at :] + more, 0


def _pick(items: Iterable[tuple[int, Any]], wanted: WantedColumns, where: str, unit: str) -> Iterator[Numbered]:
    """Return the wanted fields of objects: null if an object lacks one."""
    objects = ((number, _as_object(item, f"{unit} {number}")) for number, item in items)
    first = list(islice(objects, _FIRST_ROWS))
    wanted.note_first([item for _, item in first], where)
    for number, item in chain(first, objects):
        wanted.note(item)
        values = [*map(item.get, wanted.columns)]
        if wanted.others:
            values += describe_others((name, item[name]) for name in item.keys() - wanted.names)
        yield number, values


def _as_object(item: Any, what: str) -> dict[str, Any]:
    if isinstance(item, dict):
        return item
    msg = f"{what} is not an object"
    raise ValueError(msg)


def _parse_line(line: str, number: int) -> Any:
    hint = "; name it .json if it holds one array" if number == 1 and line.lstrip(_JSON_BLANKS).startswith("[") else ""
    try:
        value = parse_json(line)
    except ValueError as error:
        why = f"{error.msg}, at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else error
        hint = hint or "; write one object a line" * (line.strip(_JSON_BLANKS) in "{}")
        msg = f"line {number} is not usable JSON: {why}{hint}"
        raise ValueError(msg) from error
    if hint and not isinstance(value, dict):
        msg = f"line 1 is not an object{hint}"
        raise ValueError(msg)
    return value
