"""Connections: Airflow's connections as SQLAlchemy URLs, with all that their extras say."""

import json
from typing import Any

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from sqlalchemy import URL

from nightloom.core.env_file import PREFIX
from nightloom.core.errors import InputError

# SQLAlchemy's name for a dialect, where Airflow has another.
_DIALECTS = {"postgres": "postgresql"}
_OF_AIRFLOW = {"sqlalchemy_scheme", "sqlalchemy_query", "cursor", "aws_conn_id"}
"""Extras that are for Airflow's own hooks, or are read here."""
_MYSQL_DRIVERS = {"mysqlclient": "mysqldb", "mysql-connector-python": "mysqlconnector", "pymysql": "pymysql"}
"""SQLAlchemy's names for the libraries that the extra `client` of a MySQL connection names."""
_FETCHES_PASSWORD = {"iam", "azure_conn_id", "private_key_content"}
"""Extras by which Airflow's own hooks get a password or key that no URL can have."""


def find_airflow_connection(name: str) -> str | None:
    """Return the SQLAlchemy URL of an Airflow connection, or None if there is no connection of that id.

    Raises:
        InputError: An extra cannot be part of a URL.
    """
    try:
        connection = BaseHook.get_connection(name)
    except AirflowNotFoundException:
        return None
    extras = _read_extras(name, connection)
    dialect = _find_dialect(connection, extras)
    query = _make_query(name, extras)
    password = connection.password or (query.pop("token", None) if _is(dialect, "databricks") else None)
    # SQLAlchemy leaves a password out that has no user.
    user = "token" if _is(dialect, "databricks") else "" if password else None
    return URL.create(
        dialect,
        username=connection.login or user,
        password=password,
        port=connection.port,
        **_find_database(dialect, connection, query),
        query=query,
    ).render_as_string(hide_password=False)


def _find_dialect(connection: Connection, extras: dict[str, Any]) -> str:
    """Return dialect and driver as SQLAlchemy names them."""
    dialect = extras.get("sqlalchemy_scheme") or str(connection.conn_type)
    client = extras.pop("client", None) if connection.conn_type == "mysql" else None
    if client in _MYSQL_DRIVERS and "+" not in dialect:
        return f"{dialect}+{_MYSQL_DRIVERS[client]}"
    return _DIALECTS.get(dialect, dialect)


def _is(dialect: str, *names: str) -> bool:
    """Whether a dialect is one of these, with any driver."""
    return dialect.partition("+")[0] in names


def _read_extras(name: str, connection: Connection) -> dict[str, Any]:
    """Return the extras by name, without the prefix that forms of earlier Airflow versions gave them."""
    try:
        extras = json.loads(connection.extra or "{}")  # Airflow's own reading gives nothing for what is not JSON.
    except ValueError:
        extras = None
    if not isinstance(extras, dict):
        raise InputError(_refuse(name, "extra", "is not a JSON object"))
    prefix = f"extra__{connection.conn_type}__"
    return {key.removeprefix(prefix): value for key, value in extras.items() if value not in (None, "")}


def _make_query(name: str, extras: dict[str, Any]) -> dict[str, str]:
    """Return the query of the URL: TLS, driver, account and whatever else the extras say."""
    asked = extras.get("sqlalchemy_query", {})
    if not isinstance(asked, dict):
        raise InputError(_refuse(name, "sqlalchemy_query", "is not a JSON object"))
    for extra in sorted(_FETCHES_PASSWORD & {key for key, value in extras.items() if value}):
        raise InputError(_refuse(name, extra, "replaces a password or key that Airflow fetches, which no URL can have"))
    query = {key: value for key, value in extras.items() if key not in _OF_AIRFLOW | _FETCHES_PASSWORD} | asked
    return {key: _show(name, key, value) for key, value in query.items()}


def _show(name: str, extra: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise InputError(_refuse(name, extra, "is a list or an object, which no URL can have"))


def _find_database(dialect: str, connection: Connection, query: dict[str, str]) -> dict[str, str | None]:
    """Return host and database as the dialect writes them in a URL; what is part of them is taken from the query."""
    if dialect == "sqlite":
        # Only SQLite's own URI has parameters such as `mode=ro`.
        query |= {"uri": "true"} if query else {}
        return {"host": None, "database": f"file:{connection.host}" if query else connection.host}
    if dialect == "snowflake":
        account = query.pop("account", None) or connection.host
        if not account:
            raise InputError(_refuse(str(connection.conn_id), "account", "is missing"))
        region, path = query.pop("region", None), (query.pop("database", None), connection.schema)
        return {"host": f"{account}.{region}" if region else account, "database": "/".join(filter(None, path)) or None}
    database = connection.schema
    if database and _is(dialect, "databricks"):
        query.setdefault("schema", database)  # It reads no path.
        database = None
    if _is(dialect, "trino", "presto") and (catalog := query.pop("catalog", None)):
        database = "/".join(filter(None, (catalog, database)))
    return {"host": connection.host, "database": database}


def _refuse(name: str, extra: str, why: str) -> str:
    # Without the value, which may be a secret.
    return (
        f"{extra!r} of Airflow connection {name!r} {why}; correct it, or delete the connection and set "
        f"{PREFIX}CONN_{name.upper()} to a SQLAlchemy URL, or add `{name}: URL` to connections.yaml"
    )
