"""Invalid settings are bad input: the error names the variable, and never its value."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from nightloom.core.errors import InputError
from nightloom.core.settings import get_settings


@pytest.fixture(autouse=True)
def _own_var_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NIGHTLOOM_VAR_DIR", str(tmp_path))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("NIGHTLOOM_PRICES", "much", "it is not JSON"),
        ("NIGHTLOOM_PRICES", '{"cpu": -1}', "Input should be greater than or equal to 0"),
        ("NIGHTLOOM_PROCESSES", "several", "Input should be a valid integer"),
        ("NIGHTLOOM_CHECKPOINT_SECONDS", "0", "Input should be greater than 0"),
    ],
)
def test_invalid_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, why: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=rf"{variable} is invalid: {why}.*; correct it in the environment or in "):
        get_settings()
