"""A database of tickets and CSV files to read from."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from nightloom.recipes.sources import FilesSource

TABLE = "CREATE TABLE tickets (id TEXT, updated_at TIMESTAMP, body TEXT, team TEXT)"


@pytest.fixture
def tickets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """An empty table of tickets on the connection `tickets`."""
    url = f"sqlite:///{tmp_path / 'tickets.db'}"
    monkeypatch.setenv("NIGHTLOOM_CONN_TICKETS", url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(TABLE))
    return engine


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[[bytes], FilesSource]:
    """Make a source from a file with these bytes."""

    def write(data: bytes) -> FilesSource:
        (tmp_path / "rows.csv").write_bytes(data)
        return FilesSource(kind="files", path=str(tmp_path / "rows.csv"))

    return write
