"""The benchmark of the index writes its rows past the registry: it must know all columns."""

import pytest
from nightloom.registry.tables import Base

from tests.benchmarks.bench_index import _COLUMNS


@pytest.mark.parametrize("table", _COLUMNS)
def test_all_columns_are_written(table: str) -> None:
    assert set(_COLUMNS[table]) == {column.name for column in Base.metadata.tables[table].columns}
