"""What Alembic runs. The connection comes from `receiver.storage.migrate`, which also holds the lock and commits:
every migration or none.
"""

from alembic import context

from receiver.storage.tables import metadata

VERSION_TABLE = "webhooks_schema"
"""Ours alone, so that the database may be shared with another program that uses Alembic."""

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
