"""Files: each format gives the same rows, and a damaged file is refused whole."""

import csv
import errno
import gzip
import io
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nightloom.core.errors import InputError, SourceError
from nightloom.core.store import ObjectStore
from nightloom.recipes.sources import FilesSource
from nightloom.sources import files, text_files
from nightloom.sources.formatting import as_text
from nightloom.sources.tables import read_batches

ROWS = [{"id": f"T{n}", "body": f'say "é", {n}\nthen wait', "team": None if n % 2 else "sales"} for n in range(7)]
COLUMNS = ["team", "id", "body"]
WANTED = [(row["team"], row["id"], row["body"]) for row in ROWS]

Write = Callable[[list[dict[str, Any]]], bytes]


def write_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def write_lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def write_array(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, indent=1).encode()


def write_parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=3)
    return buffer.getvalue()


def write_arrow(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(rows).write_ipc(buffer)
    return buffer.getvalue()


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def read(path: Path, columns: list[str] = COLUMNS) -> list[tuple[Any, ...]]:
    source = FilesSource(kind="files", path=str(path))
    return [row for table in read_batches(source, columns, None, 1) for row in table.rows()]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("rows.csv", write_csv),
        ("rows.jsonl", write_lines),
        ("rows.ndjson", write_lines),
        ("rows.json", write_array),
        ("rows.parquet", write_parquet),
        ("rows.arrow", write_arrow),
        ("rows.csv.gz", lambda rows: gzip.compress(write_csv(rows))),
        ("rows.jsonl.gz", lambda rows: gzip.compress(write_lines(rows))),
        ("ROWS.JSON.GZ", lambda rows: gzip.compress(write_array(rows))),
        ("rows.jsonl.zst", lambda rows: zstd(write_lines(rows))),
        ("rows.csv.zst", lambda rows: zstd(write_csv(rows))),
    ],
)
def test_every_format_gives_same_rows(tmp_path: Path, name: str, write: Write) -> None:
    (tmp_path / name).write_bytes(write(ROWS))
    empty = "" if ".csv" in name else None
    assert read(tmp_path / name) == [(team or empty, row_id, body) for team, row_id, body in WANTED]


def test_folder_and_pattern_are_read_in_order(tmp_path: Path) -> None:
    for name, rows in {"b.jsonl": ROWS[2:], "a.jsonl": ROWS[:2]}.items():
        (tmp_path / name).write_bytes(write_lines(rows))
    (tmp_path / "readme.txt").write_text("not a row")
    assert read(tmp_path) == read(tmp_path / "*.jsonl") == WANTED


NO_DATA = {
    "._a.jsonl": b"\x00\x05\x16\x07",
    ".DS_Store": b"\x00",
    ".part.jsonl.crc": b"crc",
    "_SUCCESS": b"",
    "_committed_17.json": b'{"added": []}',
    "dataset_infos.json": b'{"default": {}}',
    "c.csv": b"",
    "d.json": b"",
    "e.jsonl": b"",
    "f.csv.gz": gzip.compress(b""),
    "README.md": b"# Tickets",
}


def write_folder(folder: Path) -> None:
    """Write a folder as other tools leave it: rows in two files, and what they write next to them."""
    folder.mkdir(parents=True)
    for name, body in {"b.jsonl": write_lines(ROWS[2:]), "a.jsonl": write_lines(ROWS[:2]), **NO_DATA}.items():
        (folder / name).write_bytes(body)


def test_files_of_other_tools_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_folder(tmp_path / "set")
    with caplog.at_level("INFO"):
        assert read(tmp_path / "set") == WANTED
    assert "not read: .DS_Store, ._a.jsonl, .part.jsonl.crc" in caplog.text


def test_folders_are_named_or_read_by_pattern(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for day, rows in {"dt=2026-11-22": ROWS[:2], "dt=2026-11-23": ROWS[2:]}.items():
        write_folder(tmp_path / "set" / day)
        (tmp_path / "set" / day / "a.jsonl").write_bytes(write_lines(rows))
        (tmp_path / "set" / day / "b.jsonl").unlink()
    write_folder(tmp_path / "set" / "_temporary")
    with pytest.raises(
        InputError, match=r"only folders at '.*/set', such as dt=2026-11-22; .*, such as '.*/set/\*/\*'"
    ):
        read(tmp_path / "set")
    for pattern in ("*/*", "*/*.jsonl", "dt=*/a.jsonl", "**/*.jsonl", "dt=2026-11-2[23]/*"):
        assert read(tmp_path / "set" / pattern) == WANTED
    (tmp_path / "set" / "x.jsonl").write_bytes(write_lines(ROWS))
    with caplog.at_level("INFO"):
        assert read(tmp_path / "set") == WANTED
    assert "not read: dt=2026-11-22, dt=2026-11-23" in caplog.text


def test_hidden_file_is_read_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "_export.jsonl").write_bytes(write_lines(ROWS))
    assert read(tmp_path / "_export.jsonl") == read(tmp_path / "_*.jsonl") == WANTED
    with pytest.raises(InputError, match="there is no file"):
        read(tmp_path / "export*.jsonl")


def test_object_store_is_read_too(
    s3_store: ObjectStore, point_settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, rows in {"b.parquet": ROWS[2:], "a.jsonl": ROWS[:2]}.items():
        body = write_parquet(rows) if name.endswith("parquet") else write_lines(rows)
        s3_store.bucket.replace(f"drop/{name}", body)
    for name in ("_SUCCESS", "_temporary/0/a.jsonl", "dataset_info.json"):
        s3_store.bucket.replace(f"drop/{name}", b"{}")
    with point_settings(tmp_path):
        assert read_url(f"s3://{s3_store.bucket.name}/drop/") == WANTED
        assert read_url(f"s3://{s3_store.bucket.name}/drop/b.*") == WANTED[2:]
        with pytest.raises(InputError, match=r"there is no file at 's3://.*/none/\*\.csv'"):
            read_url(f"s3://{s3_store.bucket.name}/none/*.csv")


def read_url(url: str) -> list[tuple[Any, ...]]:
    source = FilesSource(kind="files", path=url)
    return [row for table in read_batches(source, COLUMNS, None, 1) for row in table.rows()]


def test_hugging_face_dataset_is_read(tmp_path: Path) -> None:
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "set"), num_shards=3)
    assert read(tmp_path / "set") == WANTED


def test_dataset_with_splits_asks_for_one(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    DatasetDict({"train": Dataset.from_list(ROWS)}).save_to_disk(str(tmp_path / "set"))
    with pytest.raises(InputError, match=r"name the folder of one, such as '.*/set/train'"):
        read(tmp_path / "set")
    assert read(tmp_path / "set" / "train") == WANTED


def test_line_of_blanks_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\nid,b\n1,2\n   \n\t\n3,4\n ")
    assert read(tmp_path / "x.csv", ["id"]) == [("1",), ("3",)]


def test_long_text_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"id\n{'x' * 200_000}\n")
    assert [len(row[0]) for row in read(tmp_path / "x.csv", ["id"])] == [200_000]


def test_failing_disk_is_a_source_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": "1"}')

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(text_files, "_bounded_lines", fail)
    with pytest.raises(SourceError, match="cannot be read: Input/output error"):
        read(tmp_path / "x.jsonl", ["id"])


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ('{"_data_files": [{"filename": "../x.arrow"}]}', r"it names '\.\./x\.arrow', which is not a file"),
        ('{"_data_files": [{"filename": "y.arrow"}]}', r"it names 'y\.arrow', which is not a file in its folder"),
        ('{"_data_files": 1}', "state.json' cannot be used"),
        ("{}", "state.json' cannot be used: '_data_files'"),
        ('{"_data_files": [{"filename": "x.arrow"}]}', "x.arrow' cannot be used"),
    ],
)
def test_invalid_dataset_is_refused(tmp_path: Path, state: str, reason: str) -> None:
    (tmp_path / "state.json").write_text(state)
    (tmp_path / "dataset_info.json").write_text("{}")
    (tmp_path / "x.arrow").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=reason):
        read(tmp_path)


_BOMB = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("x.jsonl", b'{"id": 1}\n{"id": NaN}', "line 2 is not usable JSON: NaN is not JSON"),
        ("x.jsonl", b'{"id": 1, "id": 2}', "line 1 .* a key is repeated"),
        ("x.jsonl", b'{"id": "\\ud800"}', "line 1 is not usable JSON: .*surrogates"),
        ("x.jsonl", b'{"id": ' + _BOMB + b"}", "line 1 .* nested too deeply"),
        ("x.jsonl", b'{"id": 1}\n{"id": ', "line 2 is not usable JSON"),
        ("x.jsonl", b'{"id": 1}\n[1]', "line 2 is not an object"),
        ("x.json", b'[{"id": 1}, 2]', "item 2 is not an object"),
        ("x.jsonl", b'{"id": 1}\n{"id": "\xff"}', "line 2 is not UTF-8; save the file as UTF-8"),
        ("x.csv", b"id\n" + b"a\n" * 9_000 + b"\xfc\n", "line 9002 is not UTF-8"),
        ("x.jsonl", b'{"no": 1}', "has no column 'id'. Known: no"),
        ("x.json", b'{"id": 1}', "it is not a JSON array"),
        ("x.json", b'[{"id": 1}', "the array does not end"),
        ("x.json", b'[{"id": 1} {"id": 2}]', "a comma is missing after item 1"),
        ("x.json", b'[{"id": 1},]', "item 2 is not JSON"),
        ("x.json", b'[{"id": 1}] []', "something follows the array"),
        ("x.json", b'[{"id": 1, "id": 2}]', "item 1 .* a key is repeated"),
        ("x.json", b'[{"id": ' + _BOMB + b"}]", "item 1 is not usable JSON"),
        ("x.json", b"", "it is empty"),
        ("x.json", b'{"id": 1}\n{"id": 2}', "it is not a JSON array; name it .jsonl if it holds one object a line"),
        ("x.json", b'[\f{"id": 1}]', "item 1 is not JSON"),
        ("x.json", '[{"id": 1}\u2028,{"id": 2}]'.encode(), "a comma is missing after item 1"),
        ("x.json", '\u3000[{"id": 1}]'.encode(), "it is not a JSON array"),
        ("x.json", '[{"id": 1}]\u00a0'.encode(), "something follows the array"),
        ("x.jsonl", b'{"id": 1}\n\f\n', "line 2 is not usable JSON"),
        ("x.jsonl.gz", gzip.compress(b'{"id": 1}\n' * 1000, mtime=0)[:-20], "ended before the end-of-stream marker"),
        ("x.jsonl.gz", b'{"id": 1}', "Not a gzipped file"),
        ("x.jsonl.zst", b'{"id": 1}', "cannot be used"),
        ("x.csv", b'id\n"a\n\nb"\n"c\n', r"begins in line 5 is not CSV \(unexpected end of data\); check its quotes"),
        ("x.csv", b'id,b\na,"b" c\n', "begins in line 2 is not CSV"),
        ("x.csv", b'id,b\n"1\n2",3\n\n4\n', "line 5 has 1 value, and the header has 2; quote values with commas"),
        ("x.csv", b"b\tid\n1\t2\n", "seems to be separated by tabs; separate its values by commas"),
        ("x.csv", b'b;"id"\n1,5;2\n', "seems to be separated by semicolons"),
        ("x.csv", b"b|id|c\n", "seems to be separated by bars"),
        ("x.csv", b'"id";"b"\n"1";"2"\n', "seems to be separated by semicolons"),
        ("x.csv", b"sep=,\nid,b\n", "names its separator, and no column; remove the line"),
        ("x.csv", b'"Id",B\n1,2\n', "has columns with other capitals than id; correct them"),
        ("x.csv", gzip.compress(b"id\n1\n", mtime=0), "it is packed by gzip; let its name end in .gz"),
        ("x.jsonl", b"PAR1\x15\xfb\x04", "it is Parquet; let its name end in .parquet"),
        ("x.csv", b"PK\x03\x04\xff\xff", "a ZIP archive or a workbook"),
        ("x.jsonl", b'[{"id": 1}]', "line 1 is not an object; name it .json if it holds one array"),
        ("x.jsonl", b'[\n{"id": 1}\n]', "line 1 is not usable JSON: .*; name it .json if it holds one array"),
        ("x.jsonl", b'{\n"id": 1\n}', "line 1 is not usable JSON: .* at character 3; write one object a line"),
        ("x.csv", b"", "it is empty"),
        ("x.csv", b"\n\n", "it is empty"),
        ("x.parquet", b"PAR1rubbishPAR1", "cannot be used"),
        ("x.parquet", b"", "cannot be used"),
        ("x.parquet.gz", b"", "x.parquet.gz at .* should end in one of"),
        ("x.arrow", b"ARROW1rubbish", "cannot be used"),
        (
            "x.txt",
            b"id",
            "x.txt at .* should end in one of .csv, .*; text may have .gz or .zst after it",
        ),
    ],
)
def test_invalid_file_is_refused_whole(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=reason):
        read(tmp_path / name, ["id"])


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_huge_value_does_not_fill_memory(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "MOST_CHARACTERS", 1000)
    monkeypatch.setattr(text_files, "_CHUNK", 100)
    row = json.dumps({"id": "x" * 5000})
    (tmp_path / name).write_text(f"[{row}]" if name == "x.json" else row)
    with pytest.raises(InputError, match=r"line 1 has more than 1,000 characters|item 1 is not usable JSON"):
        read(tmp_path / name, ["id"])


def test_large_parquet_is_never_held_whole(tmp_path: Path) -> None:
    texts = [os.urandom(5_000).hex() for _ in range(200)]
    table = pa.table({"id": [str(n) for n in range(200)], "body": texts})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=4)
    source = FilesSource(kind="files", path=str(tmp_path / "rows.parquet"))
    tracemalloc.start()
    try:
        rows = sum(len(frame) for frame in read_batches(source, ["id", "body"], None, 1))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == 200
    assert most < (tmp_path / "rows.parquet").stat().st_size / 4


def test_footer_declaring_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.parquet").write_bytes(write_parquet(ROWS))
    monkeypatch.setattr(files, "MOST_GROUP_BYTES", 10)
    with pytest.raises(InputError, match=r"its footer declares a row group of .* bytes"):
        read(tmp_path / "x.parquet")


_values = (
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.lists(st.integers(), max_size=2)
)
_objects = st.lists(st.fixed_dictionaries({"id": _values}, optional={"b": _values}), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_objects, chunk=st.integers(1, 40), indent=st.none() | st.integers(0, 2))
def test_chunk_borders_do_not_change_arrays(
    tmp_path: Path, rows: list[dict[str, Any]], chunk: int, indent: int | None
) -> None:
    (tmp_path / "x.json").write_text(json.dumps(rows, indent=indent), encoding="utf-8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(text_files, "_CHUNK", chunk)
        assert read(tmp_path / "x.json", ["id"]) == [(as_text(row["id"]),) for row in rows]
