"""A night in a separate process with faults at any place, and installations for it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.integration.nights.conftest import Installation, back, install

PointSettings = Callable[..., AbstractContextManager[None]]

WRITES = ["PutObject", "commit"]
"""Where something becomes visible to others: what is put into the store, and what the registry commits."""


@dataclass(frozen=True)
class Ended:
    """How a step in the child ended."""

    killed: bool
    result: Any = None
    error: str | None = None
    done: bool = False  # the step ended before the harm


class Child:
    """Runs steps in forks of a process that has imported what they need."""

    def __init__(self) -> None:
        child = Path(__file__).with_name("child.py")
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, str(child)], stdin=pipe, stdout=pipe, text=True)

    def run(self, step: str, *, harm: dict[str, Any] | None = None, **arguments: Any) -> Ended:
        return self.run_at_once([(step, arguments)], harm=harm)[0]

    def run_at_once(
        self, steps: list[tuple[str, dict[str, Any]]], *, harm: dict[str, Any] | None = None
    ) -> list[Ended]:
        settings = {name: value for name, value in os.environ.items() if name.startswith("NIGHTLOOM_")}
        jobs = [{"step": step, "arguments": given, "settings": settings, "harm": harm} for step, given in steps]
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(jobs) + "\n")
        self._process.stdin.flush()
        return [Ended(**answer) for answer in json.loads(self._process.stdout.readline())]

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def child() -> Iterator[Child]:
    """The process that is harmed."""
    started = Child()
    yield started
    started.close()


Fresh = Callable[[], AbstractContextManager[Installation]]


@pytest.fixture
def fresh(point_settings: PointSettings, tmp_path: Path) -> Fresh:
    """Return a context manager with a new installation."""
    numbers = count()

    @contextmanager
    def make() -> Iterator[Installation]:
        folder = tmp_path / f"{tmp_path.name}-{next(numbers)}"
        folder.mkdir()
        with install(point_settings, folder) as made:
            yield made

    return make


NIGHT = back(0)


@pytest.fixture(scope="session")
def undisturbed(point_settings: PointSettings, tmp_path_factory: pytest.TempPathFactory, child: Child) -> str:
    """The preparation of a night without faults."""
    with install(point_settings, tmp_path_factory.mktemp("undisturbed")):
        preparation: str = child.run("prepare", recipe="triage", night=NIGHT).result
    return preparation
