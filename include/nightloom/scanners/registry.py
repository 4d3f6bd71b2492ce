"""Registry: scanners by name, built-in and from installed packages, and the scanners of a recipe."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import polars as pl

from nightloom.artifacts.models import Checks
from nightloom.core.errors import InputError
from nightloom.core.extensions import SCANNERS, load_extension
from nightloom.recipes.preparation import Action, Prepare
from nightloom.scanners.base import Match, Scanner
from nightloom.scanners.injections import find_injections, may_hold_injections
from nightloom.scanners.normalise import operation_versions
from nightloom.scanners.pii import find_pii, may_hold_pii
from nightloom.scanners.secrets import find_secrets, may_hold_secrets

BUILT_IN = {
    scanner.name: scanner
    for scanner in (
        Scanner("secret", 2, 60, find_secrets, may_hold_secrets),
        Scanner("prompt_injection", 2, 200, find_injections, may_hold_injections),
        Scanner("pii", 2, 250, find_pii, may_hold_pii),
    )
}

_KIND = re.compile(r"\w{1,40}", re.ASCII)


def find_scanner(name: str) -> Scanner:
    """Return the scanner with this name.

    Raises:
        InputError: No installed package adds it, or the package adds something else.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    added = load_extension(SCANNERS, name)
    if not isinstance(added, Scanner) or added.name != name:
        msg = f"{name!r} in {SCANNERS} is not a Scanner of that name; correct the package that adds it"
        raise InputError(msg)
    return _guard(added)


def make_checks(settings: Prepare) -> Checks:
    """Return the operations and scanners of a recipe, with the installed versions.

    Raises:
        InputError: A scanner is not installed.
    """
    active = [name for name, action in settings.actions.items() if action != "keep"]
    return Checks(
        max_characters=settings.max_characters,
        operations=operation_versions(settings.normalise.operations),
        actions=settings.actions,
        scanners={name: find_scanner(name).version for name in active},
    )


def open_scanners(checks: Checks) -> list[tuple[Scanner, Action]]:
    """Return the scanners and their actions, the cheapest first; those with the action `keep` are left out.

    Raises:
        InputError: A scanner is not installed, or has another version than the checks name.
    """
    scanners = [(find_scanner(name), action) for name, action in checks.actions.items() if action != "keep"]
    for scanner, _ in scanners:
        if scanner.version != checks.scanners[scanner.name]:
            msg = (
                f"scanner {scanner.name!r} has version {scanner.version} here, but version "
                f"{checks.scanners[scanner.name]} is required; install the same package for every interpreter, or "
                f"start the night again"
            )
            raise InputError(msg)
    return sorted(scanners, key=lambda pair: (pair[0].cost, pair[0].name))


def _guard(scanner: Scanner) -> Scanner:
    """Wrap another package's scanner, so that its faults become one message that quotes no text."""

    def find(text: str) -> Sequence[Match]:
        with _blame(scanner.name):
            matches = list(scanner.find(text))
            if not all(0 <= one.start < one.end <= len(text) and _KIND.fullmatch(one.kind) for one in matches):
                raise ValueError
        return matches

    def may_hold(texts: pl.Series) -> pl.Series:
        with _blame(scanner.name):
            held = scanner.may_hold(texts)
            if held.dtype != pl.Boolean or len(held) != len(texts):
                raise ValueError
        return held

    return replace(scanner, find=find, may_hold=may_hold)


@contextmanager
def _blame(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # another package may fail in any way
        # The class alone, because the message may quote the text.
        msg = f"scanner {name!r} failed with {type(error).__name__}; check the package that adds it"
        raise InputError(msg) from None
