"""A real PostgreSQL server, in a folder of its own, for as long as the tests take."""

from collections.abc import Iterator

import pytest

from tests.postgres import Server, find_programs, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server that runs."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (initdb, pg_ctl and postgres; on Debian: postgresql)")
    with running(programs) as server:
        yield server
