"""Runs in Prefect whose deliveries were purged or erased, until they are deleted there too."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

IDENT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "purged_run",
        sa.Column("flow_run_id", IDENT, nullable=False),
        sa.PrimaryKeyConstraint("flow_run_id", name="pk_purged_run"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("purged_run")
