"""Extraction: ids, versions and answers of records."""

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from nightloom.artifacts.frames import RECORDS
from nightloom.artifacts.reading import read_records
from nightloom.core.digests import digest_bytes, digest_json
from nightloom.core.errors import InputError, SchemaError
from nightloom.core.nights import NightCut
from nightloom.core.store import ObjectStore
from nightloom.recipes.preparation import PlantedRows
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import FilesSource, SqlSource
from nightloom.sources.extract import extract_records, read_planted_rows

NIGHT = NightCut("triage", date(2026, 11, 23), datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
TEAM = {"team": AnswerField(column="team")}
KEYED = Columns(key="id", updated_at="updated_at", text="body")
SELECT = SqlSource(kind="sql", connection="tickets", query="SELECT * FROM tickets")

MakeCsv = Callable[[bytes], FilesSource]


def insert(engine: sa.Engine, *rows: tuple[str | None, str | None, str | None, str | None]) -> None:
    statement = sa.text("INSERT INTO tickets VALUES (:id, :at, :body, :team)")
    with engine.begin() as connection:
        connection.execute(statement, [dict(zip(("id", "at", "body", "team"), row, strict=True)) for row in rows])


def test_key_version_text_and_answer_stay_unchanged(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, ("T1", "2026-11-22 08:30:00.000000", " Hello\n", "sales"))
    records = extract_records(store, SELECT, KEYED, TEAM, night=NIGHT, window_days=30)
    expected = ("T1", "2026-11-22T08:30:00.000000+00:00", " Hello\n", '{"team":"sales"}', None, None, False, None)
    assert read_records(store, records.id).rows() == [expected]


def test_added_rows_join_unless_source_has_them(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, ("T1", "2026-11-22 08:30:00", "of the source", "sales"))
    version = "2026-11-22T08:30:00.000000+00:00"
    lines = [
        ("T1", version, "added", "{}", None, None, False, None),
        ("T2", version, "added", "{}", None, None, False, None),
    ]
    added = pl.DataFrame(lines, RECORDS, orient="row")
    records = extract_records(store, SELECT, KEYED, TEAM, night=NIGHT, window_days=30, added=added)
    assert read_records(store, records.id)["text"].to_list() == ["of the source", "added"]


@pytest.mark.parametrize("key", ["id", None], ids=["keyed", "named by content"])
def test_erased_row_keeps_id_and_version(store: ObjectStore, tickets: sa.Engine, key: str | None) -> None:
    insert(tickets, ("T1", "2026-11-22 08:30:00", "my name is Ann", "sales"), ("T2", None, "hello", "sales"))
    columns = KEYED.model_copy(update={"key": key})
    ids = ["T1"] if key else [digest_json({"text": "my name is Ann", "answer": '{"team":"sales"}'})]
    erased = {digest_bytes(row_id.encode()) for row_id in ids}
    records = extract_records(store, SELECT, columns, TEAM, night=NIGHT, window_days=30, erased=erased)
    texts = read_records(store, records.id).select("row_id", "text", "answer").rows()
    assert {(text, answer) for row_id, text, answer in texts if row_id in ids} == {(None, None)}
    assert {text for row_id, text, _ in texts if row_id not in ids} == {"hello"}


@pytest.mark.parametrize(
    ("deleted_at", "deleted"),
    [("", False), ("2026-11-22 23:59:59", True), ("2026-11-23 00:00:00", False), ("2026-11-01T00:00:00+02:00", True)],
)
def test_row_deleted_before_cut_is_deleted(
    store: ObjectStore, csv_file: MakeCsv, deleted_at: str, deleted: bool
) -> None:
    source = csv_file(f"id,body,team,gone\nT1,a,sales,{deleted_at}\n".encode())
    columns = Columns(key="id", text="body", deleted_at="gone")
    records = extract_records(store, source, columns, TEAM, night=NIGHT, window_days=30)
    assert read_records(store, records.id)["deleted"].to_list() == [deleted]


def test_file_is_cut_to_the_window(store: ObjectStore, csv_file: MakeCsv) -> None:
    times = ("2026-10-23", "2026-10-24", "2026-11-22 23:59:59", "2026-11-23 00:00:00")
    lines = [f"T{number},{time},text {number},sales" for number, time in enumerate(times)]
    source = csv_file("\n".join(["id,updated_at,body,team", *lines]).encode())
    records = extract_records(store, source, KEYED, TEAM, night=NIGHT, window_days=30)
    assert read_records(store, records.id)["row_id"].to_list() == ["T1", "T2"]
    assert records.content.new_rows == 1


def test_invalid_time_is_refused_unshown(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, ("T1", "2026-11-22 08:30:00", "my card 4111 was stolen", "sales"))
    columns = Columns(key="id", updated_at="body", text="body")
    with pytest.raises(InputError, match=r"column 'body' .* holds a value that is not an ISO time") as caught:
        extract_records(store, SELECT, columns, TEAM, night=NIGHT, window_days=30)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_only_versions_within_cut_are_new(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, ("T1", "2026-11-21 23:59:59", "a", "sales"), ("T1", "2026-11-22 00:00:00", "b", "sales"))
    content = extract_records(store, SELECT, KEYED, TEAM, night=NIGHT, window_days=30).content
    assert (content.rows, content.new_rows) == (2, 1)


def test_query_ignoring_the_cut_is_refused(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, ("T1", "2026-11-23 00:00:00", "a", "sales"))
    with pytest.raises(InputError, match="returns 1 row from after the cut of night 2026-11-23; filter the query"):
        extract_records(store, SELECT, KEYED, TEAM, night=NIGHT, window_days=30)


def test_blank_answers_are_null(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, ("T1", None, "a", None), ("T2", None, "b", "  "))
    records = extract_records(store, SELECT, KEYED, TEAM, night=NIGHT, window_days=30)
    assert read_records(store, records.id)["answer"].to_list() == [None, None]


def test_missing_field_is_null(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, ("T1", None, "a", "sales"), ("T2", None, None, None))
    answer = {**TEAM, "reply": AnswerField(column="body")}
    records = extract_records(store, SELECT, KEYED, answer, night=NIGHT, window_days=30)
    assert read_records(store, records.id)["answer"].to_list() == ['{"reply":"a","team":"sales"}', None]


def test_rows_to_predict_need_no_answer(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, ("T1", None, "a", None))
    records = extract_records(store, SELECT, KEYED, {}, night=NIGHT, window_days=30)
    assert read_records(store, records.id)["answer"].to_list() == [None]


def test_rows_without_key_get_content_ids(store: ObjectStore, csv_file: MakeCsv) -> None:
    source = csv_file(b"text,team\nhello,sales\nhello,sales\nhello,billing\n")
    records = extract_records(store, source, Columns(text="text"), TEAM, night=None, window_days=1)
    ids = read_records(store, records.id)["row_id"].to_list()
    assert len(set(ids)) == 3
    assert sorted(len(row_id) for row_id in ids) == [64, 64, 66]
    assert [row_id[64:] for row_id in ids if len(row_id) == 66] == ["-2"]


def test_source_order_does_not_matter(store: ObjectStore, csv_file: MakeCsv) -> None:
    columns = Columns(text="text")
    one = extract_records(store, csv_file(b"text,team\na,x\nb,y\n"), columns, TEAM, night=None, window_days=1)
    two = extract_records(store, csv_file(b"team,text\ny,b\nx,a\n"), columns, TEAM, night=None, window_days=1)
    assert one.id == two.id


def test_invalid_version_names_its_column(store: ObjectStore, tickets: sa.Engine) -> None:
    insert(tickets, ("T1", "yesterday", "a", "sales"))
    with pytest.raises(InputError, match=r"column 'updated_at' of the query .* holds a value that is not an ISO time"):
        extract_records(store, SELECT, KEYED, TEAM, night=NIGHT, window_days=30)


def test_slices_are_labels(store: ObjectStore, csv_file: MakeCsv) -> None:
    source = csv_file("body,lang\na,pt\nb,pt  \nc,\u00a0pt\nd,\ne,\u200b\n".encode())
    columns = Columns(text="body", slice="lang")
    records = read_records(store, extract_records(store, source, columns, {}, night=None, window_days=1).id)
    assert records.sort("text")["slice"].to_list() == ["pt", "pt", "pt", None, None]


BAD_TIMES = {
    "b.csv": (b'id,updated_at,body,team\n1,2026-11-22,"a\n\nb",x\n2,23.11.2026,c,x\n', "line 5"),
    "b.jsonl": (b'{"id": 1, "updated_at": null, "body": "a", "team": "x"}\n\n{"id": 2, "updated_at": 5}\n', "line 3"),
    "b.json": (b'[{"id": 1, "body": "a", "team": "x"}, {"id": 2, "updated_at": "soon"}]', "item 2"),
}


@pytest.mark.parametrize("name", BAD_TIMES)
def test_invalid_time_names_file_and_line(store: ObjectStore, tmp_path: Path, name: str) -> None:
    data, place = BAD_TIMES[name]
    (tmp_path / "a.csv").write_text("id,updated_at,body,team\n0,NaT,a,x\n")
    (tmp_path / name).write_bytes(data)
    source = FilesSource(kind="files", path=str(tmp_path))
    with pytest.raises(SchemaError, match=f"not an ISO time, the first in {place} of '{tmp_path / name}'; correct"):
        extract_records(store, source, KEYED, TEAM, night=NIGHT, window_days=30)


def test_invalid_time_of_table_names_its_row(store: ObjectStore, tmp_path: Path) -> None:
    rows = {"id": ["1", "2"], "updated_at": ["2026-11-22", "2026-11-31"], "body": ["a", "b"], "team": ["x", "x"]}
    pl.DataFrame(rows).write_parquet(tmp_path / "x.parquet")
    source = FilesSource(kind="files", path=str(tmp_path / "x.parquet"))
    with pytest.raises(SchemaError, match="not an ISO time, the first in row 2 of"):
        extract_records(store, source, KEYED, TEAM, night=NIGHT, window_days=30)


def test_empty_source_gives_no_records(store: ObjectStore, tickets: sa.Engine) -> None:
    content = extract_records(store, SELECT, KEYED, TEAM, night=NIGHT, window_days=30).content
    assert (content.rows, content.new_rows) == (0, 0)


def test_planted_rows_use_recipe_columns(csv_file: MakeCsv) -> None:
    source = csv_file("ticket_id,kind,outcome,rule\nT1,spam,kept\u00a0 ,\n".encode())
    planted = PlantedRows(source=source, key="ticket_id", kind="kind", outcome="outcome", rule="rule")
    assert read_planted_rows(planted, night=NIGHT, window_days=1).rows(named=True) == [
        {"row_id": "T1", "kind": "spam", "outcome": "kept", "rule": ""}
    ]


def test_naughty_strings_survive_a_database(store: ObjectStore, tickets: sa.Engine) -> None:
    folder = os.environ.get("NIGHTLOOM_TEST_DATA")
    if folder is None:
        pytest.skip("NIGHTLOOM_TEST_DATA is not set: the folder that holds naughty-strings/blns.json")
    texts = json.loads((Path(folder) / "naughty-strings" / "blns.json").read_text(encoding="utf-8"))
    insert(tickets, *((f"{place:03}", None, text, "sales") for place, text in enumerate(texts)))
    records = extract_records(store, SELECT, KEYED, TEAM, night=NIGHT, window_days=30)
    assert read_records(store, records.id)["text"].to_list() == texts
