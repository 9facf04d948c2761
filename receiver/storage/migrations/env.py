"""What Alembic runs. The connection comes from `receiver.storage.migrate`, which also holds the lock and commits:
every migration or none.
"""

from alembic import context

from receiver.storage.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
