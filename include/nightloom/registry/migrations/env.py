"""Run the migrations on the connection that the caller gives."""

from alembic import context

from nightloom.registry.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table="nightloom_version",
)
with context.begin_transaction():
    context.run_migrations()
