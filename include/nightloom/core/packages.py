"""Packages: the versions of installed libraries that results depend on, read without importing any of them."""

from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version


@cache
def installed_packages() -> dict[str, str]:
    """Return the version of every package of this interpreter, by its lower-case name."""
    found = {dist.name.lower(): dist.version for dist in distributions() if dist.name}
    return dict(sorted(found.items()))


def package_versions(*names: str) -> dict[str, str]:
    """Return the versions of those of the named packages that this interpreter has."""
    found = {}
    for name in sorted(names):  # each by itself: reading what all packages say of themselves takes a third of a second
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
