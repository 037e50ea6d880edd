"""Runs the migrations on the connection that telemetry.storage.sqlalchemy.schema hands over."""

from alembic import context

from telemetry.storage.sqlalchemy import models, schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=models.metadata,
    version_table=schema.VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
