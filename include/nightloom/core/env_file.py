"""Env file: the variables in `nightloom.env` under the var folder, which `make up` writes and people add to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from nightloom.core.errors import InputError

PROJECT_ROOT = Path(__file__).resolve().parents[3]
ENV_FILE_NAME = "nightloom.env"
PREFIX = "NIGHTLOOM_"
"""Beginning of the names of our own variables."""


def find_env_file() -> Path:
    """Return the path of the file, which may not exist."""
    return Path(os.environ.get(f"{PREFIX}VAR_DIR", PROJECT_ROOT / "var")) / ENV_FILE_NAME


def read_env_file(file: Path) -> dict[str, str]:
    """Return the variables in the file, or none if it does not exist.

    Raises:
        InputError: A line cannot be read: the library would leave its variable out.
    """
    if not file.exists():
        return {}
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        msg = f"{file} is not UTF-8; save it as UTF-8"
        raise InputError(msg) from None
    for line in parse_stream(StringIO(text)):
        if line.error:  # Without the line, which may be a secret.
            msg = f"line {line.original.line} of {file} is not `NAME=value`; correct it, and close its quotes"
            raise InputError(msg)
    # A value may contain `${`, such as a password: no variable is put in its place.
    found = dotenv_values(stream=StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def read_variable(name: str) -> str | None:
    """Return a variable of the environment, else of the file, or None if neither has it."""
    return os.environ.get(name) or read_env_file(find_env_file()).get(name) or None


@contextmanager
def exported_env_file() -> Iterator[None]:
    """Add the file's variables to the environment within the block, unless they are set there.

    Libraries and child processes read only the environment: `HF_TOKEN`, `CUDA_VISIBLE_DEVICES`. Our own variables are
    left out: they are read from the file itself, so that a running process sees a change.
    """
    others = {name: value for name, value in read_env_file(find_env_file()).items() if not name.startswith(PREFIX)}
    added = {name: value for name, value in others.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
