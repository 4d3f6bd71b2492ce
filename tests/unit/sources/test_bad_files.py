"""Bad files: hostile, truncated or changing files, by the records that they give."""

import gzip
import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nightloom.artifacts.reading import read_records
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import FilesSource
from nightloom.sources import files
from nightloom.sources.extract import extract_records

COLUMNS = Columns(key="id", text="body")
ANSWER = {"team": AnswerField(column="team")}
ROW = {"id": "T1", "body": "hello", "team": "sales"}

Extract = Callable[[], list[tuple[Any, ...]]]


@pytest.fixture
def extract(store: ObjectStore, tmp_path: Path) -> Extract:
    """Extract all files of the folder, and return id, text and answer of the records."""

    def run() -> list[tuple[Any, ...]]:
        source = FilesSource(kind="files", path=str(tmp_path))
        records = extract_records(store, source, COLUMNS, ANSWER, night=None, window_days=1)
        return read_records(store, records.id).select("row_id", "text", "answer").rows()

    return run


def write_parquet(path: Path, **columns: Any) -> bytes:
    pq.write_table(pa.table(columns), path, compression="none")
    return path.read_bytes()


def varint(number: int) -> bytes:
    """Encode a number like Parquet's footer."""
    number, formatted = number << 1, b""
    while number > 0x7F:
        formatted, number = formatted + bytes([number & 0x7F | 0x80]), number >> 7
    return formatted + bytes([number])


def forge_footer(data: bytes, old: int, new: int) -> bytes:
    """Replace a number in a Parquet footer."""
    (length,) = struct.unpack("<I", data[-8:-4])
    body, footer = data[: -8 - length], data[-8 - length : -8]
    assert varint(old) in footer
    footer = footer.replace(varint(old), varint(new))
    return body + footer + struct.pack("<I", len(footer)) + b"PAR1"


def test_footer_declaring_petabytes_is_refused(extract: Extract, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    data = write_parquet(path, id=["T1"], body=["hello" * 1000], team=["sales"])
    size = pq.ParquetFile(path).metadata.row_group(0).total_byte_size
    path.write_bytes(forge_footer(data, size, 1 << 50))
    with pytest.raises(InputError, match="its footer declares a row group of 1,125,899,906,842,624 bytes"):
        extract()


def test_footer_declaring_many_rows_is_refused(extract: Extract, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    rows = 777
    data = write_parquet(path, id=["T"] * rows, body=["hello"] * rows, team=["sales"] * rows)
    path.write_bytes(forge_footer(data, rows, 10**12))
    with pytest.raises(InputError, match=r"x\.parquet' cannot be used"):
        extract()


def test_column_missing_in_second_file_is_named(extract: Extract, s3: Any, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", **{name: [value] for name, value in ROW.items()})
    write_parquet(tmp_path / "b.parquet", id=["T2"], body=["hello"])
    with pytest.raises(InputError, match=r"b\.parquet' has no column 'team'\. Known: id, body"):
        extract()
    assert s3.objects == {}


def test_column_types_and_order_change_nothing(extract: Extract, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", id=[1, 2], body=["a", "b"], team=["x", "x"])
    write_parquet(tmp_path / "b.parquet", more=[0, 0], team=["x", "x"], body=["c", "d"], id=[3.0, None])
    (tmp_path / "c.jsonl").write_text('{"team": "x", "id": "5", "body": "e"}\n{"team": "x", "id": 6.0, "body": 7}')
    ids = [(row_id, text) for row_id, text, _ in extract() if len(row_id) < 64]
    assert ids == [("1", "a"), ("2", "b"), ("3", "c"), ("5", "e"), ("6", "7")]


@pytest.mark.parametrize("ids", [[7, 8], [7.0, 8.0], ["7", "8"]], ids=["integers", "floats", "texts"])
def test_key_of_another_type_is_equal(extract: Extract, tmp_path: Path, ids: list[Any]) -> None:
    write_parquet(tmp_path / "x.parquet", id=ids, body=["a", "b"], team=["x", "y"])
    assert extract() == [("7", "a", '{"team":"x"}'), ("8", "b", '{"team":"y"}')]


def test_parquet_with_invalid_utf8_is_refused(extract: Extract, tmp_path: Path) -> None:
    body = pa.Array.from_buffers(pa.string(), 1, pa.array([b"caf\xe9"]).buffers())
    write_parquet(tmp_path / "x.parquet", id=["T1"], body=body, team=["sales"])
    with pytest.raises(InputError, match=r"x\.parquet' cannot be used: .*UTF8"):
        extract()


def test_arrow_offsets_beyond_the_end_are_refused(extract: Extract, tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    table = pa.table({"id": ["T1"], "body": ["x" * 777], "team": ["sales"]})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    data = path.read_bytes()
    place = data.rindex(struct.pack("<2i", 0, 777))  # where the text begins and ends
    path.write_bytes(data[:place] + struct.pack("<2i", 0, 1 << 30) + data[place + 8 :])
    with pytest.raises(InputError, match=r"x\.arrow' cannot be used"):
        extract()


_LINES = "".join(json.dumps({**ROW, "id": f"T{n}", "body": f"{n} " * 50}) + "\n" for n in range(2000)).encode()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.jsonl", _LINES[:-20]),
        ("x.jsonl.gz", gzip.compress(_LINES)[:-100]),
        ("x.jsonl.zst", bytes(pa.compress(_LINES, codec="zstd", asbytes=True))[:-100]),
        ("x.json", json.dumps([ROW] * 2000).encode()[:-20]),
        ("x.csv", b"id,body,team\n" + b'T1,"hello there",sales\n' * 2000 + b"T2,hel"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_truncated_text_file_is_refused_whole(
    extract: Extract, s3: Any, tmp_path: Path, name: str, data: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"{name}' cannot be used"):
        extract()
    assert s3.objects == {}


@pytest.mark.parametrize("file_name", ["x.parquet", "x.arrow"])
def test_truncated_binary_file_is_refused(extract: Extract, tmp_path: Path, file_name: str) -> None:
    table = pa.table({name: [value] * 3000 for name, value in ROW.items()})
    path = tmp_path / file_name
    if file_name == "x.parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be used"):
        extract()


def test_repaired_file_gives_every_row_once(extract: Extract, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(_LINES[:-20])
    with pytest.raises(InputError):
        extract()
    (tmp_path / "x.jsonl").write_bytes(_LINES)
    ids = [row_id for row_id, _, _ in extract()]
    assert len(ids) == len(set(ids)) == 2000


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.json"])
def test_huge_line_is_refused_in_little_memory(extract: Extract, tmp_path: Path, name: str) -> None:
    begins = {"x.jsonl": b'{"id": "', "x.csv": b'id,body,team\n"', "x.json": b'[{"id": "'}[name]
    with (tmp_path / name).open("wb") as file:
        file.write(begins)
        for _ in range(100):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"line [12] has more than|item 1 is not usable JSON"):
        extract()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000


def test_long_rows_come_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_CHARACTERS", 1000)
    rows = [{"id": "x" * 400} for _ in range(7)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    batches = files.read_files(FilesSource(kind="files", path=str(tmp_path)), ["id"], None)
    assert [len(batch) for batch in batches] == [3, 3, 1]
