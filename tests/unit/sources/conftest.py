"""CSV files to read from."""

from collections.abc import Callable
from pathlib import Path

import pytest
from nightloom.recipes.sources import FilesSource


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[[bytes], FilesSource]:
    """Make a source from a file with these bytes."""

    def write(data: bytes) -> FilesSource:
        (tmp_path / "rows.csv").write_bytes(data)
        return FilesSource(kind="files", path=str(tmp_path / "rows.csv"))

    return write
