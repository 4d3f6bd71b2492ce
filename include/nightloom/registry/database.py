"""The registry's database: connections, transactions and migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from nightloom.core.connections import show_address
from nightloom.core.errors import RegistryError
from nightloom.core.settings import get_settings

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT_S = 60
_WRITE_LOCK = 0x6E6C6D31  # any number that is not locked elsewhere in the registry's database


class Database:
    """One registry, by SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        self._engine = _create_engine(url)
        self._reader = self._engine.execution_options(reads=True)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Run a block as one write transaction: all or nothing, and no other write at the same time.

        Raises:
            RegistryError: The database refused or did not respond.
        """
        with self._session(self._engine) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Run a block as one read transaction, which neither waits for writers nor blocks them.

        Raises:
            RegistryError: The database refused or did not respond.
        """
        with self._session(self._reader) as session:
            yield session

    @contextmanager
    def _session(self, engine: sa.Engine) -> Iterator[Session]:
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            where = show_address(self._engine.url)
            msg = (
                f"the registry at {where} failed: {type(error).__name__}: {error.args[0] if error.args else ''}; "
                f"`nightloom registry migrate` updates its tables, `nightloom doctor` checks the rest"
            )
            raise RegistryError(msg) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Upgrade the tables to this version's schema, if needed."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


@cache
def open_database() -> Database:
    """Return the registry of the settings; one engine per process."""
    return Database(get_settings().registry_address)


def migrate(url: str) -> None:
    """Create or upgrade the registry behind a URL."""
    Database(url).migrate()


def _create_engine(url: str) -> sa.Engine:
    address = sa.make_url(url)
    if address.get_backend_name() == "postgresql":
        engine = sa.create_engine(address, pool_pre_ping=True)
        sa.event.listen(engine, "connect", _set_timeouts)
        sa.event.listen(engine, "begin", _serialise_writers)
        return engine
    if address.get_backend_name() != "sqlite":
        return sa.create_engine(address, pool_pre_ping=True, isolation_level="SERIALIZABLE")
    if address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(address, connect_args={"timeout": _BUSY_TIMEOUT_S})
    sa.event.listen(engine, "connect", _disable_implicit_transactions)
    sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _set_timeouts(connection: Any, _record: Any) -> None:
    milliseconds = round(_BUSY_TIMEOUT_S * 1000)
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {milliseconds}")
        # A client whose machine is gone would hold the lock for hours, because the server does not notice. Shorter than
        # the lock timeout, so that the others do not fail.
        cursor.execute(f"SET idle_in_transaction_session_timeout = {milliseconds // 2}")
    connection.commit()


def _serialise_writers(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("reads"):
        return
    # Concurrent serialisable transactions are refused, for example when many trials begin at once. They are short: one
    # at a time, as in SQLite, none is refused.
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")


def _disable_implicit_transactions(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_immediate(connection: sa.Connection) -> None:
    # A deferred transaction that becomes a writer fails at once if another has written in between.
    reads = connection.get_execution_options().get("reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
