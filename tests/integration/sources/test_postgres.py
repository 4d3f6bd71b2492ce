"""PostgreSQL as a source: rows are streamed, late rows are found, and a crashed server only costs the attempt."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from nightloom.artifacts.reading import keep_newest, read_records
from nightloom.core.errors import SchemaError, SourceError
from nightloom.core.nights import NightCut, compute_cut
from nightloom.core.store import ObjectStore
from nightloom.recipes.schema import AnswerField, Columns
from nightloom.recipes.sources import SqlSource
from nightloom.sources.extract import extract_records
from nightloom.sources.tables import read_batches, read_table

from tests.postgres import Server

CUT = "SELECT * FROM tickets WHERE updated_at >= :window_from AND updated_at < :cut_to"
COLUMNS = Columns(key="id", updated_at="updated_at", deleted_at="deleted_at", text="body")
ANSWER = {"team": AnswerField(column="team")}
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


def query(sql: str) -> SqlSource:
    return SqlSource(kind="sql", connection="tickets", query=sql)


def night_of(day: int) -> NightCut:
    cut_to = MIDNIGHT + timedelta(days=day)
    return NightCut("triage", date(2026, 11, 23) + timedelta(days=day), cut_to - timedelta(days=1), cut_to)


@pytest.fixture(params=["psycopg2", "psycopg"])
def server(request: pytest.FixtureRequest, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server behind the connection `tickets`, by each driver, with an empty table of tickets."""
    pytest.importorskip(request.param, reason=f"the driver {request.param} is not installed")
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", postgres.url(request.param))
    columns = "id INT, updated_at TIMESTAMPTZ, deleted_at TIMESTAMPTZ, body TEXT, team TEXT"
    postgres.execute("DROP TABLE IF EXISTS tickets", f"CREATE TABLE tickets ({columns})")
    return postgres


@pytest.mark.usefixtures("server")
def test_rows_come_through_server_cursor() -> None:
    # Fifty million rows: a client that fetched them all first would not come back.
    sql = "SELECT generate_series(1, 50000000) AS id, (SELECT count(*) FROM pg_cursors) AS cursors"
    batches = read_batches(query(sql), ["id", "cursors"], None, 1)
    first, second = next(batches), next(batches)
    batches.close()
    assert first.row(0) == ("1", "1")
    assert second.row(0) == ("5001", "1")


def extract(store: ObjectStore, day: int) -> list[tuple[str, str, bool]]:
    records = extract_records(store, query(CUT), COLUMNS, ANSWER, night=night_of(day), window_days=3)
    return sorted(read_records(store, records.id).select("row_id", "text", "deleted").rows())


def insert(server: Server, *rows: tuple[int, str, str]) -> None:
    values = ", ".join(f"({row_id}, '{at}', NULL, '{body}', 'sales')" for row_id, at, body in rows)
    server.execute(f"INSERT INTO tickets VALUES {values}")  # noqa: S608  # the values stand in this file


def test_next_night_reads_late_rows(store: ObjectStore, server: Server) -> None:
    insert(server, (1, "2026-11-22 10:00+00", "first"), (2, "2026-11-22 23:00-05", "tomorrow"))
    assert extract(store, 0) == [("1", "first", False)]
    insert(server, (3, "2026-11-22 09:00+00", "late"))
    server.execute("UPDATE tickets SET body = 'edited', updated_at = '2026-11-23 12:00+00' WHERE id = 1")
    assert extract(store, 1) == [("1", "edited", False), ("2", "tomorrow", False), ("3", "late", False)]


OPEN = "SELECT * FROM stamps WHERE updated_at >= :cut_from AND updated_at < :cut_to"


def read_stamps(store: ObjectStore, zone: str, days: range) -> list[list[int]]:
    """The rows of each night from 23 November 2026 on, read as predict reads them."""
    source = query(OPEN).model_copy(update={"timezone": zone})
    columns = Columns(key="id", updated_at="updated_at", text="body")
    found = []
    for day in days:
        cut = compute_cut("triage", date(2026, 11, 23) + timedelta(days=day), zone)
        records = extract_records(store, source, columns, {}, night=cut, window_days=1)
        found.append(sorted(int(row_id) for row_id in read_records(store, records.id)["row_id"]))
    return found


@pytest.mark.parametrize("role_zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
@pytest.mark.parametrize("kind", ["TIMESTAMPTZ", "TIMESTAMP", "DATE"])
def test_cut_is_the_same_for_every_role(
    store: ObjectStore, server: Server, kind: str, zone: str, role_zone: str
) -> None:
    # Row n is of hour n since 22 November in the zone of the recipe.
    hours = "TIMESTAMP '2026-11-22 00:30' + make_interval(hours => n)"
    moment = f"({hours}) AT TIME ZONE '{zone}'" if kind == "TIMESTAMPTZ" else f"({hours})::{kind}"
    server.execute(
        "DROP TABLE IF EXISTS stamps",
        f"CREATE TABLE stamps (id INT, updated_at {kind}, body TEXT)",
        f"INSERT INTO stamps SELECT n, {moment}, 'x' FROM generate_series(0, 47) AS n",  # noqa: S608
        f"ALTER ROLE tickets SET timezone = '{role_zone}'",
    )
    try:
        assert read_stamps(store, zone, range(3)) == [[*range(24)], [*range(24, 48)], []]
    finally:
        server.execute("ALTER ROLE tickets RESET timezone")


def test_newest_version_of_row_is_used(store: ObjectStore, server: Server) -> None:
    insert(server, (1, "2026-11-22 10:00+00", "first"), (1, "2026-11-22 11:00+01", "same time, other zone"))
    insert(server, (1, "2026-11-22 10:30+00", "newest"))
    records = extract_records(store, query(CUT), COLUMNS, ANSWER, night=night_of(0), window_days=3)
    assert records.content.rows == 3
    assert keep_newest(read_records(store, records.id))["text"].to_list() == ["newest"]


def test_earlier_night_keeps_deleted_row(store: ObjectStore, server: Server) -> None:
    insert(server, (1, "2026-11-22 10:00+00", "first"))
    server.execute("UPDATE tickets SET deleted_at = '2026-11-23 08:00+00'")
    assert extract(store, 0) == [("1", "first", False)]
    assert extract(store, 1) == [("1", "first", True)]


def test_second_read_gives_same_rows(store: ObjectStore, server: Server) -> None:
    insert(server, (1, "2026-11-22 10:00+00", "first"))
    before = extract(store, 0)
    insert(server, (2, "2026-11-23 00:00+00", "after the cut"))
    assert extract(store, 0) == before


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("TIMESTAMPTZ '2026-07-01 08:00+02'", "2026-07-01T06:00:00.000000+00:00"),
        ("""JSONB '[{"role": "user", "content": "é"}]'""", '[{"content":"é","role":"user"}]'),
        ("ARRAY['b', NULL]", '["b",null]'),
        ("1.50::numeric", "1.50"),
        ("7::float8", "7"),
        ("'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("'café'::bytea", "café"),
        ("DATE '2026-11-23'", "2026-11-23"),
        ("true", "True"),
        ("NULL::text", None),
    ],
    ids=["time", "jsonb", "array", "numeric", "float", "uuid", "bytea", "date", "boolean", "null"],
)
@pytest.mark.usefixtures("server")
def test_every_type_has_one_format(sql: str, text: str | None) -> None:
    assert read_table(query(f"SELECT {sql} AS x"), ["x"], None, 1)["x"].to_list() == [text]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT colour FROM (SELECT 1 AS id) AS numbers", 'column "colour" does not exist'),
        ("SELECT 1 AS id WHERE 'yesterday'::text < :cut_to", "operator does not exist: text < timestamp"),
        ("SELECT 1 AS id UNION SELECT 'a'::text", "UNION types integer and text cannot be matched"),
    ],
    ids=["no column", "another type", "types that differ"],
)
@pytest.mark.usefixtures("server")
def test_unusable_column_is_a_schema_error(sql: str, reason: str) -> None:
    with pytest.raises(SchemaError, match=f"'tickets' does not fit its table: {reason}"):
        read_table(query(sql), ["id"], night_of(0), 1)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
@pytest.mark.parametrize(("value", "is_deleted"), [("infinity", False), ("-infinity", True)])
@pytest.mark.usefixtures("server")
def test_time_without_end_is_a_time(store: ObjectStore, kind: str, value: str, is_deleted: bool) -> None:
    rows = f"SELECT 1 AS id, now() - INTERVAL '900 days' AS updated_at, '{value}'::{kind} AS deleted_at, 'x' AS body"
    source = query(f"SELECT *, 'sales' AS team FROM ({rows}) AS rows")  # noqa: S608  # the values stand here
    records = extract_records(store, source, COLUMNS, ANSWER, night=night_of(0), window_days=3)
    assert read_records(store, records.id)["deleted"].to_list() == [is_deleted]


@pytest.mark.parametrize("value", ["20261-01-01 08:00+00", "0044-03-15 BC"], ids=["typo", "before Christ"])
@pytest.mark.usefixtures("server")
def test_time_beyond_the_calendar_names_its_column(store: ObjectStore, value: str) -> None:
    rows = f"SELECT 1 AS id, '{value}'::timestamptz AS updated_at, NULL AS deleted_at, 'x' AS body, 'sales' AS team"
    with pytest.raises(SchemaError, match=r"column 'updated_at' .* holds a value that is not an ISO time"):
        extract_records(store, query(rows), COLUMNS, ANSWER, night=night_of(0), window_days=3)


@pytest.mark.parametrize(
    "value", ["TIME '24:00'", "TIMETZ '24:00+01'", "INTERVAL '178000000 years'", "DATE '5874897-12-31'"], ids=str
)
@pytest.mark.usefixtures("server")
def test_unread_column_costs_no_night(value: str) -> None:
    sql = f"SELECT generate_series(1, 3) AS id, {value} AS beside"
    assert read_table(query(sql), ["id"], None, 1)["id"].to_list() == ["1", "2", "3"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ('sales ' || id)::int AS id FROM generate_series(1, 3) AS id",
        "SELECT 1 / (id - 7000) AS id FROM generate_series(1, 9000) AS id",
        "SELECT 9223372036854775807 + id AS id FROM generate_series(0, 9) AS id",
        "SELECT ('$' || id || 'x')::money AS id FROM generate_series(1, 3) AS id",
    ],
    ids=["conversion", "division", "overflow", "money"],
)
@pytest.mark.usefixtures("server")
def test_misfit_is_no_fault_of_the_server(sql: str) -> None:
    with pytest.raises(
        SchemaError, match=r"'tickets' meets a value that does not fit a type \(\w+\); correct"
    ) as caught:
        read_table(query(sql), ["id"], None, 1)
    assert "sales" not in str(caught.value)


DYING = """
    SELECT id, now() - INTERVAL '1000 days' AS updated_at, NULL AS deleted_at, 'sales' AS team,
        CASE WHEN id = 7000 THEN pg_terminate_backend(pg_backend_pid())::text ELSE 'x' || id END AS body
    FROM (SELECT generate_series(1, 20000) AS id) AS numbers
"""


@pytest.mark.usefixtures("server")
def test_broken_connection_leaves_nothing(store: ObjectStore, s3: Any) -> None:
    with pytest.raises(SourceError, match=r"the query on connection 'tickets' failed: .*check that the database is up"):
        extract_records(store, query(DYING), COLUMNS, ANSWER, night=night_of(0), window_days=3)
    assert s3.objects == {}


def test_restarted_server_is_read_completely(server: Server) -> None:
    source = query("SELECT generate_series(1, 1000000) AS id")
    batches = read_batches(source, ["id"], None, 1)
    next(batches)
    server.stop()
    try:
        with pytest.raises(SourceError, match="the query on connection 'tickets' failed"):
            list(batches)
        with pytest.raises(SourceError, match="check that the database is up"):
            read_table(source, ["id"], None, 1)
    finally:
        server.start()
    assert read_table(query("SELECT generate_series(1, 20000) AS id"), ["id"], None, 1)["id"].n_unique() == 20_000


def test_message_column_gives_conversations(store: ObjectStore, server: Server) -> None:
    turns = json.dumps([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}])
    server.execute("DROP TABLE IF EXISTS chats", "CREATE TABLE chats (id INT, turns JSONB)")
    spelled = turns.replace(":", r"\:")  # which would begin a parameter
    server.execute(f"INSERT INTO chats VALUES (1, '{spelled}')")  # noqa: S608
    columns, answer = Columns(key="id", chat="turns"), {"reply": AnswerField()}
    records = extract_records(store, query("SELECT * FROM chats"), columns, answer, night=None, window_days=1)
    assert read_records(store, records.id).select("text", "answer").rows() == [("Hi", '{"reply":"Hello."}')]
