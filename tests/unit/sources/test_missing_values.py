"""Missing values: a row without a key, time or field has an outcome all the same, in any kind of source."""

import json
import logging
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import deltalake
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from nightloom.artifacts.data import Records
from nightloom.artifacts.reading import read_records
from nightloom.core.errors import SchemaError
from nightloom.core.nights import NightCut
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import DeltaSource, FilesSource, Source, SqlSource
from nightloom.sources.extract import extract_records
from nightloom.sources.records import make_records
from nightloom.sources.tables import read_batches

NIGHT = NightCut("desk", date(2026, 11, 23), datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
COLUMNS = Columns(key="id", updated_at="at", text="body", slice="lang")
TEAM = {"team": AnswerField(column="team")}
ROWS = [
    {"id": 1.0, "at": "2026-11-22T10:00:00", "body": "the red lamp flickers", "team": "a", "lang": "en"},
    {"id": math.nan, "at": None, "body": "my kettle leaks", "team": "b", "lang": ""},
    {"id": None, "at": "", "body": "which pier has the kiosk", "team": None, "lang": None},
]

Put = Callable[[Path, Sequence[dict[str, Any]]], Source]


def put_parquet(folder: Path, rows: Sequence[dict[str, Any]]) -> Source:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "x.parquet")
    return FilesSource(kind="files", path=str(folder / "x.parquet"))


def put_arrow(folder: Path, rows: Sequence[dict[str, Any]]) -> Source:
    table = pa.Table.from_pylist(list(rows))
    with pa.OSFile(str(folder / "x.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return FilesSource(kind="files", path=str(folder / "x.arrow"))


def put_delta(folder: Path, rows: Sequence[dict[str, Any]]) -> Source:
    deltalake.write_deltalake(folder / "table", pa.Table.from_pylist(list(rows)))
    return DeltaSource(kind="delta", path=str(folder / "table"))


def extract(store: ObjectStore, source: Source, night: NightCut | None = NIGHT, **options: Any) -> Records:
    return extract_records(store, source, COLUMNS, TEAM, night=night, window_days=30, **options)


@pytest.mark.parametrize("put", [put_parquet, put_arrow, put_delta])
def test_key_that_is_no_number_names_no_row(store: ObjectStore, tmp_path: Path, put: Put) -> None:
    frame = read_records(store, extract(store, put(tmp_path, ROWS), None).id)
    keys = frame["row_id"].to_list()
    assert sorted(map(len, keys)) == [1, 64, 64]
    assert len({*keys}) == 3
    assert frame["slice"].null_count() == 2


@pytest.mark.parametrize("word", ["NaN", "nan", "NULL", "None", " NaT "])
def test_word_for_nothing_names_no_row(store: ObjectStore, tmp_path: Path, word: str) -> None:
    pl.DataFrame([{**row, "id": word, "at": "2026-11-22"} for row in ROWS]).write_csv(tmp_path / "x.csv")
    keys = read_records(store, extract(store, FilesSource(kind="files", path=str(tmp_path / "x.csv"))).id)["row_id"]
    assert keys.str.len_chars().to_list() == [64, 64, 64]


@pytest.mark.parametrize("night", [NIGHT, None], ids=["night", "eval set"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_placeholder_is_no_deletion(store: ObjectStore, tmp_path: Path, zone: str, night: NightCut | None) -> None:
    never = [
        "0001-01-01T00:00:00Z",
        "0001-01-01 00:00:00",
        "1970-01-01",
        "9999-12-31 23:59:59",
        "9999-12-31",
        "NaT",
        "",
    ]
    rows = [{**ROWS[0], "id": str(n), "gone": gone} for n, gone in enumerate([*never, "2026-11-20"])]
    pl.DataFrame(rows).write_csv(tmp_path / "x.csv")
    source = FilesSource(kind="files", path=str(tmp_path / "x.csv"), timezone=zone)
    columns = COLUMNS.model_copy(update={"deleted_at": "gone"})
    records = extract_records(store, source, columns, TEAM, night=night, window_days=30)
    found = read_records(store, records.id).sort("row_id")
    assert found["deleted"].to_list() == [*(False for _ in never), True]


def test_missing_values_of_pandas_are_null(store: ObjectStore, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [None, "7"], "at": [pd.NaT, pd.Timestamp("2026-11-22")], "team": ["a", None]})
    frame.assign(body="hello", lang=pd.array([None, 1], dtype="Int64")).to_parquet(tmp_path / "x.parquet")
    found = read_records(store, extract(store, FilesSource(kind="files", path=str(tmp_path / "x.parquet"))).id)
    assert found.sort("version")["fault"].struct.field("rule").to_list() == ["no_time", None]


@pytest.mark.parametrize("at", [None, "", " ", "NaT", "null", "0000-00-00 00:00:00", "1970-01-01T00:00:00Z"])
def test_row_without_time_has_a_fault(store: ObjectStore, tmp_path: Path, at: str | None) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({**ROWS[0], "at": at}))
    records = extract(store, FilesSource(kind="files", path=str(tmp_path / "x.jsonl")))
    (row,) = read_records(store, records.id).to_dicts()
    assert (row["version"], row["fault"]["rule"]) == ("", "no_time")
    assert (records.content.rows, records.content.new_rows) == (1, 0)


@pytest.mark.parametrize("at", ["1899-12-30", "0001-01-01", "9999-12-31 23:59:59", "2206-11-22"])
def test_time_that_means_none_is_shown(store: ObjectStore, tmp_path: Path, at: str) -> None:
    source = put_parquet(tmp_path, [{**ROWS[0], "at": at}])
    (fault,) = read_records(store, extract(store, source).id)["fault"].to_list()
    assert fault["measured"].startswith(at[:10])


def test_placeholder_is_not_newer_than_a_time(store: ObjectStore, tmp_path: Path) -> None:
    source = put_arrow(tmp_path, [ROWS[0], {**ROWS[0], "at": "9999-12-31", "body": "of no time"}])
    assert read_records(store, extract(store, source).id)["version"].to_list() == [
        "",
        "2026-11-22T10:00:00.000000+00:00",
    ]


def test_query_decides_on_rows_without_time(store: ObjectStore, tickets: sa.Engine) -> None:
    with tickets.begin() as connection:
        connection.execute(sa.text("INSERT INTO tickets VALUES ('1', NULL, 'hello', 'a')"))
    source = SqlSource(kind="sql", connection="tickets", query="SELECT *, updated_at AS at, 'en' AS lang FROM tickets")
    assert read_records(store, extract(store, source).id)["fault"].to_list() == [None]


def test_rows_of_other_nights_are_counted(store: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    times = ("2026-10-01", "2026-11-20", "2026-11-22", "2026-11-23", "2026-12-24")
    source = put_parquet(tmp_path, [{**ROWS[0], "id": number, "at": at} for number, at in enumerate(times)])
    with caplog.at_level(logging.INFO):
        window, cut = extract(store, source), extract(store, source, new_only=True)
    assert (window.content.rows, cut.content.rows) == (2, 1)
    counted = [line.split(": ")[1].split(" of ")[0] for line in caplog.messages if "older" in line]
    assert counted == ["1 older and 2 later rows", "2 older and 2 later rows"]


_time = st.sampled_from([None, "", "1970-01-01", "2026-10-01", "2026-11-22", "2026-11-30", "9999-12-31"])
_key = st.sampled_from([None, "", " ", "7", "8"])
_row = st.fixed_dictionaries({"id": _key, "at": _time, "body": st.sampled_from(["x", "y", "", None])})


@given(rows=st.lists(_row, min_size=1, max_size=8))
def test_every_row_is_record_or_counted(rows: list[dict[str, Any]]) -> None:
    table = pl.DataFrame(
        [{**row, "team": "a", "lang": None} for row in rows],
        dict.fromkeys(("id", "at", "body", "team", "lang"), pl.String),
    )
    made = make_records(table, FilesSource(kind="files", path="x"), COLUMNS, TEAM, NIGHT, NIGHT.cut_from)
    assert len(made.records) + made.older + made.later == len(rows)
    assert made.records["row_id"].null_count() == 0


def read_folder(folder: Path, columns: list[str]) -> list[tuple[Any, ...]]:
    source = FilesSource(kind="files", path=str(folder))
    batches = read_batches(source, columns, None, 1, sparse=["lang", "gone"], optional=["system"])
    return [row for batch in batches for row in batch.rows()]


@pytest.mark.parametrize("name", ["a.jsonl", "b.jsonl", "b.json", "b.parquet"])
def test_field_of_another_file_is_null(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "1", "lang": "en"}\n{"id": "2", "team": "a"}')
    if name != "a.jsonl":
        (tmp_path / name).write_bytes(b'[{"id": "3"}]' if name.endswith("json") else b'{"id": "3"}')
    if name.endswith("parquet"):
        pq.write_table(pa.table({"id": ["3"], "team": ["b"]}), tmp_path / name)
    others = {"b.parquet": [("3", None, "b")], "a.jsonl": []}.get(name, [("3", None, None)])
    assert read_folder(tmp_path, ["id", "lang", "team"]) == [("1", "en", None), ("2", None, "a"), *others]


def test_field_far_down_is_found(tmp_path: Path) -> None:
    lines = [*('{"id": "1", "updated_at": 1}' for _ in range(6000)), '{"id": "2", "deleted_at": "2026-11-22"}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert read_folder(tmp_path, ["id", "deleted_at"])[-2:] == [("1", None), ("2", "2026-11-22")]


def test_sparse_field_may_be_nowhere_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "1"}')
    assert read_folder(tmp_path, ["id", "lang", "gone", "system"]) == [("1", None, None, None)]


@pytest.mark.parametrize(("name", "data"), [("a.csv", b"id,langs\n1,en\n"), ("a.jsonl", b'{"id": "1", "langs": "en"}')])
def test_column_that_no_row_has_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    column = "lang" if name == "a.csv" else "tongue"
    with pytest.raises(SchemaError, match=rf"a\..* has no column '{column}'"):
        read_folder(tmp_path, ["id", column])
