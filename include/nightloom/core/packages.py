"""Packages: versions of installed libraries, read without importing them."""

from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version


@cache
def installed_packages() -> dict[str, str]:
    """Return the version of every package of this interpreter, by its lower-case name."""
    found = {dist.name.lower(): dist.version for dist in distributions() if dist.name}
    return dict(sorted(found.items()))


def package_versions(*names: str) -> dict[str, str]:
    """Return the versions of the named packages that are installed."""
    found = {}
    for name in sorted(names):  # one at a time: reading the metadata of all packages takes a third of a second
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
