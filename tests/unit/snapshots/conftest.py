"""A store whose objects are all in the registry."""

from tests.factories.stores import indexed_store  # noqa: F401
