"""Airflow's connections become SQLAlchemy URLs that say all that the connection says, or are refused."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from nightloom.core.connections import show_address
from nightloom.core.errors import InputError
from nightloom.orchestration import connections
from nightloom.orchestration.connections import find_airflow_connection

Give = Callable[[Connection], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Return a function that gives Airflow a connection."""

    def give(connection: Connection) -> None:
        monkeypatch.setattr(connections.BaseHook, "get_connection", lambda _: connection)

    return give


def make(conn_type: str, extra: object, **parts: object) -> Connection:
    text = extra if isinstance(extra, str) else json.dumps(extra)
    return Connection(conn_id="x", conn_type=conn_type, extra=text, **parts)


URIS = {
    "postgres": ("postgres://ada:p%40ss@db.example:5432/tickets", "postgresql://ada:p%40ss@db.example:5432/tickets"),
    "file": ("sqlite://%2Fdata%2Ftickets.db", "sqlite:////data/tickets.db"),
    "driver": ("mysql://ada@db.example/t?sqlalchemy_scheme=mysql%2Bpymysql", "mysql+pymysql://ada@db.example/t"),
    "TLS": (
        "postgres://a@db/t?sslmode=verify-ca&sslrootcert=%2Fca.pem",
        "postgresql://a@db/t?sslmode=verify-ca&sslrootcert=%2Fca.pem",
    ),
    "numbers": ("postgres://a@db/t?connect_timeout=10", "postgresql://a@db/t?connect_timeout=10"),
    "extras as JSON": ("postgres://a@db/t?__extra__=%7B%22keepalives%22%3A+1%7D", "postgresql://a@db/t?keepalives=1"),
}


@pytest.mark.parametrize(("uri", "url"), URIS.values(), ids=URIS)
def test_uri_becomes_a_url(give: Give, uri: str, url: str) -> None:
    give(Connection(conn_id="x", uri=uri))
    assert find_airflow_connection("x") == url


EXTRAS = {
    "ODBC driver": (
        make(
            "mssql",
            {"sqlalchemy_scheme": "mssql+pyodbc", "driver": "ODBC Driver 18", "Encrypt": "yes"},
            host="h",
            schema="d",
        ),
        "mssql+pyodbc://h/d?Encrypt=yes&driver=ODBC+Driver+18",
    ),
    "certificates": (
        make(
            "mysql",
            {"sqlalchemy_scheme": "mysql+pymysql", "sqlalchemy_query": {"ssl_ca": "/ca.pem"}},
            host="h",
            schema="d",
        ),
        "mysql+pymysql://h/d?ssl_ca=%2Fca.pem",
    ),
    "service name": (
        make("oracle", {"sqlalchemy_scheme": "oracle+oracledb", "service_name": "s"}, host="h", port=1521),
        "oracle+oracledb://h:1521?service_name=s",
    ),
    "account": (
        make("snowflake", {"account": "ab", "warehouse": "wh", "database": "db"}, login="u", password="p", schema="s"),
        "snowflake://u:p@ab/db/s?warehouse=wh",
    ),
    "account of an older form": (
        make("snowflake", {"extra__snowflake__account": "ab", "region": "eu", "database": "db", "role": ""}),
        "snowflake://ab.eu/db",
    ),
    "true and false": (
        make("snowflake", {"account": "ab", "keep": True, "ocsp": False}),
        "snowflake://ab?keep=true&ocsp=false",
    ),
    "catalog": (
        make("trino", {"catalog": "hive", "http_scheme": "https"}, login="u", host="h", port=8080, schema="s"),
        "trino://u@h:8080/hive/s?http_scheme=https",
    ),
    "token for a password": (
        make("databricks", {"http_path": "/sql/1"}, host="h", password="dapi", schema="s"),
        "databricks://token:dapi@h?http_path=%2Fsql%2F1&schema=s",
    ),
    "token among extras": (
        make("databricks", {"http_path": "/sql/1", "token": "dapi"}, host="h"),
        "databricks://token:dapi@h?http_path=%2Fsql%2F1",
    ),
    "password without a user": (make("postgres", {}, host="h", password="p"), "postgresql://:p@h"),
    "library of the hook": (make("mysql", {"client": "pymysql"}, host="h", schema="d"), "mysql+pymysql://h/d"),
    "of Airflow alone": (make("postgres", {"cursor": "dictcursor", "iam": False}, host="h"), "postgresql://h"),
}


@pytest.mark.parametrize(("connection", "url"), EXTRAS.values(), ids=EXTRAS)
def test_extras_are_part_of_the_url(give: Give, connection: Connection, url: str) -> None:
    give(connection)
    assert find_airflow_connection("x") == url


REFUSED = {
    "fetched password": ({"iam": True}, "'iam' of Airflow connection 'x' replaces a password or key"),
    "key": ({"private_key_content": "SECRET"}, "'private_key_content' of Airflow connection 'x' replaces a"),
    "object": ({"ssl": {"ca": "/SECRET.pem"}}, "'ssl' of Airflow connection 'x' is a list or an object"),
    "list": ({"hosts": ["SECRET"]}, "'hosts' of Airflow connection 'x' is a list or an object"),
    "half an object": ('{"sslmode": "SECRET"', "'extra' of Airflow connection 'x' is not a JSON object"),
    "no object": ("[1]", "'extra' of Airflow connection 'x' is not a JSON object"),
    "query as text": (
        {"sqlalchemy_query": "SECRET"},
        "'sqlalchemy_query' of Airflow connection 'x' is not a JSON object",
    ),
}


def test_missing_account_is_refused(give: Give) -> None:
    give(make("snowflake", {"warehouse": "wh"}, schema="public"))
    with pytest.raises(InputError, match="is missing; correct it, or delete"):
        find_airflow_connection("x")


@pytest.mark.parametrize(("extra", "message"), REFUSED.values(), ids=REFUSED)
def test_what_no_url_can_have_is_refused(give: Give, extra: object, message: str) -> None:
    give(make("postgres", extra, host="h"))
    with pytest.raises(
        InputError,
        match=f"^{message}.*; correct it, or delete the connection and set NIGHTLOOM_CONN_X to a SQLAlchemy URL",
    ) as refusal:
        find_airflow_connection("x")
    assert "SECRET" not in str(refusal.value)


def test_driver_gets_the_certificate(give: Give) -> None:
    give(Connection(conn_id="x", uri="postgres://u:p@db/t?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem"))
    url = sa.make_url(str(find_airflow_connection("x")))
    _, arguments = sa.create_engine(url).dialect.create_connect_args(url)
    assert (arguments["sslmode"], arguments["sslrootcert"]) == ("verify-full", "/etc/ca.pem")


def test_read_only_file_stays_read_only(give: Give, tmp_path: Path) -> None:
    file = tmp_path / "tickets.db"
    sqlite3.connect(file).execute("CREATE TABLE t (a)").connection.close()
    give(make("sqlite", {"mode": "ro"}, host=str(file)))
    engine = sa.create_engine(str(find_airflow_connection("x")))
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM t")).scalar() == 0
        with pytest.raises(sa.exc.OperationalError, match="readonly database"):
            connection.execute(sa.text("INSERT INTO t VALUES (1)"))
    engine.dispose()


def test_shown_address_has_no_secret() -> None:
    url = sa.make_url("databricks://token:SECRET@host/db?access_token=SECRET&http_path=x")
    assert show_address(url) == "databricks://token:***@host/db"


def test_unknown_connection_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Connection:
        raise AirflowNotFoundException(name)

    monkeypatch.setattr(connections.BaseHook, "get_connection", refuse)
    assert find_airflow_connection("tickets") is None
