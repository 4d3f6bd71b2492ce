from tests.factories.nights import folder, no_children, prepared  # noqa: F401
