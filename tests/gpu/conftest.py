"""A real architecture with random weights, and rows of known length for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from nightloom.core.settings import get_settings


@pytest.fixture(autouse=True)
def _own_var_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path / "var"))
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def device() -> str:
    """The GPU's name."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU on this machine: run `make gpu` on one that has one")
    return torch.cuda.get_device_name()


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a figure, also if the test passes."""

    def show(line: str) -> None:
        with capsys.disabled():
            print(line)  # noqa: T201  # The figure is the purpose of the test.

    return show
