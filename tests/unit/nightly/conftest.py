from tests.factories.nights import folder, prepared  # noqa: F401
