"""The registry's database: opening it, its transactions, its migrations."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from nightloom.core.errors import RegistryError
from nightloom.core.settings import get_settings

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_TIMEOUT_S = 60
_TURN = 0x6E6C6D31  # any number that nobody else locks in the registry's database


class Database:
    """One registry, behind a SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        self._engine = _create_engine(url)
        self._reader = self._engine.execution_options(reads=True)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Run a block as one write transaction: all of it happens, or nothing, and no other happens meanwhile.

        Raises:
            RegistryError: The database refused or did not answer.
        """
        with self._session(self._engine) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Run a block that only reads: it waits for no writer, and none waits for it.

        Raises:
            RegistryError: The database refused or did not answer.
        """
        with self._session(self._reader) as session:
            yield session

    @contextmanager
    def _session(self, engine: sa.Engine) -> Iterator[Session]:
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            where = self._engine.url.render_as_string(hide_password=True)
            msg = (
                f"the registry at {where} failed: {type(error).__name__}: {error.args[0] if error.args else ''}; "
                f"`nightloom registry migrate` brings its tables up to date, `nightloom doctor` checks the rest"
            )
            raise RegistryError(msg) from error

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Bring the tables to this version's shape; nothing happens when they have it."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


@cache
def open_database() -> Database:
    """Open the registry that the settings name; one engine a process."""
    return Database(get_settings().registry_address)


def migrate(url: str) -> None:
    """Create or upgrade the registry behind a URL."""
    Database(url).migrate()


def _create_engine(url: str) -> sa.Engine:
    address = sa.make_url(url)
    if address.get_backend_name() == "postgresql":
        engine = sa.create_engine(address, pool_pre_ping=True)
        sa.event.listen(engine, "connect", _bound_waiting)
        sa.event.listen(engine, "begin", _take_turns)
        return engine
    if address.get_backend_name() != "sqlite":
        return sa.create_engine(address, pool_pre_ping=True, isolation_level="SERIALIZABLE")
    if address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(address, connect_args={"timeout": _BUSY_TIMEOUT_S})
    sa.event.listen(engine, "connect", _leave_transactions_to_us)
    sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _bound_waiting(connection: Any, _record: Any) -> None:
    milliseconds = round(_BUSY_TIMEOUT_S * 1000)
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {milliseconds}")
        # A client whose machine is gone would keep its turn for hours: the server hears nothing more of it. Less than
        # the others wait, so that they do not fail for it.
        cursor.execute(f"SET idle_in_transaction_session_timeout = {milliseconds // 2}")
    connection.commit()


def _take_turns(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("reads"):
        return
    # Serialisable transactions that cross are refused, most of those of many trials that begin at once. They are short:
    # one after the other, as in SQLite, none is.
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_immediate(connection: sa.Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another has written meanwhile.
    reads = connection.get_execution_options().get("reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
