"""Suites: load the files of Great Expectations."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightloom.core.digests import digest_json
from nightloom.core.errors import InputError
from nightloom.recipes.preparation import Prepare

_STANDARD = ("records", "records_batch", "examples", "examples_batch")
"""The suites of every night, in the folder `standard` next to this module."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A set of expectations in Great Expectations' JSON."""

    name: str
    expectations: tuple[dict[str, Any], ...]


def load_suite(name: str, folder: Path) -> Suite:
    """Load a suite from a folder, or a standard suite that the folder lacks from this package.

    Raises:
        InputError: The file does not exist, or is not a suite.
    """
    known = _find_suites(folder)
    if name not in known:
        msg = f"there is no suite {name!r} in {folder}; create {name}.json there. Known: {', '.join(sorted(known))}"
        raise InputError(msg)
    path = known[name]
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        expectations = tuple(document["expectations"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"suite {name!r} is not JSON with a list of `expectations` ({type(error).__name__}); correct {path.name}"
        raise InputError(msg) from error
    return Suite(name, expectations)


def digest_suites(settings: Prepare, folder: Path) -> dict[str, str]:
    """Return the digest of each suite of a night, by name.

    Raises:
        InputError: A suite is missing or invalid.
    """
    names = (*_STANDARD, *((settings.suite,) if settings.suite else ()))
    return {name: digest_json([*load_suite(name, folder).expectations]) for name in names}


def _find_suites(folder: Path) -> dict[str, Path]:
    """Return the file of each suite by its name: the standard suites, and those of a folder, which replace them."""
    own = {path.stem: path for path in folder.glob("*.json")}
    return {name: Path(__file__).parent / "standard" / f"{name}.json" for name in _STANDARD} | own
