"""Where a webhook's definition comes from, so that no project deletes another's."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("webhook", sa.Column("source", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("webhook", "source")
