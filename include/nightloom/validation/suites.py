"""Suites: load the files of Great Expectations."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightloom.core.digests import digest_json
from nightloom.core.errors import InputError
from nightloom.recipes.schema import Prepare


@dataclass(frozen=True, slots=True)
class Suite:
    """A set of expectations in Great Expectations' JSON."""

    name: str
    expectations: tuple[dict[str, Any], ...]


def load_suite(name: str, folder: Path) -> Suite:
    """Load a suite.

    Raises:
        InputError: The file does not exist, or is not a suite.
    """
    path = folder / f"{name}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        expectations = tuple(document["expectations"])
    except FileNotFoundError as error:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.json"))) or "none"
        msg = f"there is no suite {name!r} under {folder.name}. Known: {known}"
        raise InputError(msg) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"suite {name!r} is not JSON with a list of `expectations` ({type(error).__name__}); correct {path.name}"
        raise InputError(msg) from error
    return Suite(name, expectations)


def digest_suites(settings: Prepare, folder: Path) -> dict[str, str]:
    """Return the digest of each suite of a night, by name.

    Raises:
        InputError: A suite is missing or invalid.
    """
    names = ("records", "records_batch", "examples", "examples_batch", *((settings.suite,) if settings.suite else ()))
    return {name: digest_json([*load_suite(name, folder).expectations]) for name in names}
