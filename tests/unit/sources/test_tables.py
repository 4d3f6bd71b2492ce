"""Tables: rows of queries and files, and messages for unreadable ones."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from nightloom.core.errors import InputError, SchemaError, SourceError
from nightloom.core.nights import NightCut
from nightloom.recipes.sources import FilesSource, SqlSource
from nightloom.sources.tables import read_table

NIGHT = NightCut("triage", date(2026, 11, 23), datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))

MakeCsv = Callable[[bytes], FilesSource]


def query(sql: str) -> SqlSource:
    return SqlSource(kind="sql", connection="tickets", query=sql)


def insert(engine: sa.Engine, *rows: tuple[str, datetime | None, str | None]) -> None:
    statement = sa.text("INSERT INTO tickets (id, updated_at, body) VALUES (:id, :at, :body)")
    typed = statement.bindparams(sa.bindparam("at", type_=sa.DateTime))
    with engine.begin() as connection:
        connection.execute(typed, [dict(zip(("id", "at", "body"), row, strict=True)) for row in rows])


def test_query_reads_only_its_cut(tickets: sa.Engine) -> None:
    insert(
        tickets,
        ("before", datetime(2026, 11, 21, 23, 59, 59, 999999), "a"),  # noqa: DTZ001  # as a database gives it
        ("first", datetime(2026, 11, 22), "b"),  # noqa: DTZ001
        ("after", datetime(2026, 11, 23), "c"),  # noqa: DTZ001
    )
    source = query("SELECT * FROM tickets WHERE updated_at >= :cut_from AND updated_at < :cut_to")
    assert read_table(source, ["id", "body"], NIGHT, 30).rows() == [("first", "b")]


def test_window_reaches_back_from_cut_end(tickets: sa.Engine) -> None:
    insert(tickets, ("old", datetime(2026, 11, 20), "a"), ("new", datetime(2026, 11, 21), "b"))  # noqa: DTZ001
    source = query("SELECT id FROM tickets WHERE updated_at >= :window_from AND updated_at < :cut_to")
    assert read_table(source, ["id"], NIGHT, window_days=2)["id"].to_list() == ["new"]


def test_rows_of_all_batches_are_read(tickets: sa.Engine) -> None:
    insert(tickets, *((str(number), None, "text") for number in range(10_001)))
    table = read_table(query("SELECT id FROM tickets"), ["id"], None, 1)
    assert table["id"].to_list() == [str(number) for number in range(10_001)]


def test_values_become_text_except_null(tickets: sa.Engine) -> None:
    source = query("SELECT 7 AS whole, 2.5 AS part, NULL AS absent, 'it''s' AS quoted")
    table = read_table(source, ["quoted", "absent", "part", "whole"], NIGHT, 1)
    assert table.rows() == [("it's", None, "2.5", "7")]


def test_invalid_utf8_stays_visible(tickets: sa.Engine) -> None:
    with tickets.begin() as connection:
        connection.execute(sa.text("INSERT INTO tickets (id, body) VALUES ('T1', CAST(x'6361ff66' AS TEXT))"))
    assert read_table(query("SELECT body FROM tickets"), ["body"], None, 1)["body"].to_list() == ["ca\ufffdf"]


def test_missing_column_suggests_a_close_one(tickets: sa.Engine) -> None:
    expected = r"the query on connection 'tickets' has no column 'boddy'\. Did you mean 'body'\? Known: id, .*, team"
    with pytest.raises(SchemaError, match=expected):
        read_table(query("SELECT * FROM tickets"), ["boddy"], NIGHT, 1)


def test_duplicate_column_is_refused(tickets: sa.Engine) -> None:
    with pytest.raises(InputError, match="column 'id' occurs more than once"):
        read_table(query("SELECT id, team AS id FROM tickets"), ["id"], NIGHT, 1)


@pytest.mark.usefixtures("tickets")
@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        pytest.param("SELECT * FROM tickts", "no such table: tickts", id="no table"),
        pytest.param("SELECT id FROM tickets WHERE updated_at < :cut_off", "cut_off", id="unknown parameter"),
        pytest.param("SELECT FROM WHERE", "syntax error", id="no SQL"),
    ],
)
def test_refused_query_is_explained(sql: str, reason: str) -> None:
    with pytest.raises(SourceError, match=f"the query on connection 'tickets' failed: .*{reason}"):
        read_table(query(sql), ["id"], NIGHT, 1)


def test_silent_driver_is_named(monkeypatch: pytest.MonkeyPatch, tickets: sa.Engine) -> None:
    def fail(*_: Any, **__: Any) -> None:
        statement = "SELECT"
        raise sa.exc.OperationalError(statement, {}, ConnectionResetError())

    monkeypatch.setattr(sa.Engine, "connect", fail)
    with pytest.raises(SourceError, match="'tickets' failed: ConnectionResetError; check"):
        read_table(query("SELECT id FROM tickets"), ["id"], NIGHT, 1)


@pytest.mark.usefixtures("tickets")
def test_query_for_missing_column_is_schema_error() -> None:
    with pytest.raises(SchemaError, match="'tickets' does not fit its table: no such column: colour; correct"):
        read_table(query("SELECT colour FROM tickets"), ["id"], NIGHT, 1)


def test_password_stays_out_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", "nosuchdriver://user:hunter2@host/db")
    with pytest.raises(InputError) as caught:
        read_table(query("SELECT 1"), ["id"], NIGHT, 1)
    assert "hunter2" not in str(caught.value)


def test_missing_sqlite_file_is_not_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", f"sqlite:///{tmp_path / 'gone.db'}")
    with pytest.raises(SourceError, match="the SQLite file of connection 'tickets' does not exist"):
        read_table(query("SELECT 1"), ["id"], NIGHT, 1)
    assert not (tmp_path / "gone.db").exists()


def test_csv_reads_quotes_breaks_and_bom(csv_file: MakeCsv) -> None:
    source = csv_file('\ufefftext,team\r\n"a ""b"",\r\nc",sales\r\n\r\nd,\r\n'.encode())
    assert read_table(source, ["text", "team"], None, 1).rows() == [('a "b",\r\nc', "sales"), ("d", "")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"text,team\na\n", "line 2 has 1 value, and the header has 2", id="short row"),
        pytest.param(b'text\n"a', "unexpected end of data", id="open quote"),
        pytest.param(b"text\n\xff\xfe\n", "line 2 is not UTF-8", id="other encoding"),
        pytest.param(b"", "it is empty", id="empty file"),
    ],
)
def test_invalid_csv_is_refused_whole(csv_file: MakeCsv, data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_table(csv_file(data), ["text"], None, 1)


def test_missing_file_is_named() -> None:
    source = FilesSource(kind="files", path="nowhere/rows.csv")
    with pytest.raises(InputError, match=r"there is no file at 'nowhere/rows\.csv'"):
        read_table(source, ["text"], None, 1)


@pytest.mark.parametrize("url", ["postgresql://user:my@s3:cret@host/db", "no url", "nothing://host"])
def test_invalid_connection_hides_its_address(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", url)
    with pytest.raises(InputError, match="connection 'tickets' is not a SQLAlchemy URL whose driver") as caught:
        read_table(SqlSource(kind="sql", connection="tickets", query="SELECT 1"), ["text"], None, 1)
    assert caught.value.__suppress_context__


def test_bytes_are_utf8_text(tickets: sa.Engine) -> None:
    source = SqlSource(kind="sql", connection="tickets", query="SELECT CAST('caf\u00e9' AS BLOB) AS body")
    assert read_table(source, ["body"], None, 1)["body"].to_list() == ["caf\u00e9"]
