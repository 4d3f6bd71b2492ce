"""Nothing lies in the store that the registry does not know."""

from tests.factories.stores import indexed_store  # noqa: F401
