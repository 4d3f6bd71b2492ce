import pytest
import sqlalchemy as sa
from nightloom.core.errors import RegistryError
from nightloom.registry.database import Database
from nightloom.registry.tables import Base


def test_migrations_create_all_tables(registry):
    with registry.transaction() as session:
        inspector = sa.inspect(session.connection())
        made = {name: {c["name"] for c in inspector.get_columns(name)} for name in inspector.get_table_names()}
    del made["nightloom_version"]
    assert made == {table.name: set(table.columns.keys()) for table in Base.metadata.sorted_tables}
    assert len(made) == 15


def test_migrations_create_all_indexes(registry):
    with registry.reading() as session:
        inspector = sa.inspect(session.connection())
        made = {
            index["name"]: index["column_names"]
            for name in inspector.get_table_names()
            for index in inspector.get_indexes(name)
        }
    known = (index for table in Base.metadata.sorted_tables for index in table.indexes)
    assert made == {index.name: list(index.columns.keys()) for index in known}
    assert len(made) == 12


def test_repeated_migration_changes_nothing(registry):
    registry.migrate()


def test_missing_tables_are_reported(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with (
        pytest.raises(RegistryError, match=r"no such table: refs.*`nightloom registry migrate`"),
        database.transaction() as session,
    ):
        session.execute(sa.text("SELECT * FROM refs"))
    database.close()
