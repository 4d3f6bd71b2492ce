"""Ownership: a store's prefix belongs to one registry, whose id lies there beside the objects."""

from nightloom.core.digests import canonical_json, parse_json
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore

_KEY = "owner.json"


def claim_prefix(store: ObjectStore, registry: str) -> None:
    """Make the prefix the property of a registry, by one conditional put, unless it has an owner.

    Raises:
        InputError: It belongs to another.
    """
    known = store.bucket.get(_KEY)
    if known is None:
        store.bucket.put_if_absent(_KEY, _document(registry))
        known = store.bucket.get(_KEY) or b"{}"
    owner = parse_json(known).get("registry")
    if owner != registry:
        msg = (
            f"bucket {store.bucket.name!r} belongs under prefix {store.bucket.prefix!r} to another registry ({owner}); "
            f"set NIGHTLOOM_STORE_PREFIX to one of this registry's own, or, if the other is gone, run "
            f"`nightloom registry adopt`"
        )
        raise InputError(msg)


def take_over_prefix(store: ObjectStore, registry: str) -> None:
    """Make the prefix the property of a registry, whoever had it before."""
    store.bucket.replace(_KEY, _document(registry))


def _document(registry: str) -> bytes:
    return canonical_json({"registry": registry})
