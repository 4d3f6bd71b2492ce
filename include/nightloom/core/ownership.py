"""Ownership: a store prefix belongs to one registry, whose id is stored under the prefix."""

from nightloom.core.digests import canonical_json, parse_json
from nightloom.core.errors import InputError
from nightloom.core.store import ObjectStore

_KEY = "owner.json"


def claim_prefix(store: ObjectStore, registry: str) -> None:
    """Claim the prefix for a registry, by one conditional put, unless it has an owner.

    Raises:
        InputError: The prefix belongs to another registry.
    """
    known = store.bucket.get(_KEY)
    if known is None:
        store.bucket.put_if_absent(_KEY, _document(registry))
        known = store.bucket.get(_KEY) or b"{}"
    owner = parse_json(known).get("registry")
    if owner != registry:
        msg = (
            f"prefix {store.bucket.prefix!r} of bucket {store.bucket.name!r} belongs to another registry ({owner}); "
            f"set NIGHTLOOM_STORE_PREFIX to a prefix of this registry, or run `nightloom registry adopt` if the other "
            f"registry no longer exists"
        )
        raise InputError(msg)


def take_over_prefix(store: ObjectStore, registry: str) -> None:
    """Make a registry the owner of the prefix, even if another owns it."""
    store.bucket.replace(_KEY, _document(registry))


def _document(registry: str) -> bytes:
    return canonical_json({"registry": registry})
