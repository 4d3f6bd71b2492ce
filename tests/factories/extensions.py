"""Extensions: entry points of a package that is installed as long as a block runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nightloom.core import extensions


@contextmanager
def installed(folder: Path, entry_points: str) -> Iterator[None]:
    """Install a package of these entry points (as in entry_points.txt) into a folder, and put that on the path."""
    info = folder / "added-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: added\nVersion: 1\n")
    (info / "entry_points.txt").write_text(entry_points)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(folder))
        extensions._find.cache_clear()
        yield
    extensions._find.cache_clear()
