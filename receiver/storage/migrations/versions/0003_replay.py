"""Replays: who asked for an attempt, by which revision it is judged, its edited body; ends that may be left again."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IDENT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNHAPPY = "status IN ('failed', 'crashed', 'cancelled') AND ended_at IS NOT NULL"


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "replay",
        sa.Column("delivery_id", IDENT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", "attempt", name="pk_replay"),
    )
    where: Any = {"sqlite_where": sa.text(UNHAPPY), "postgresql_where": sa.text(UNHAPPY)}
    op.create_index("ix_attempt_unhappy", "attempt", ["ended_at"], **where)


def downgrade() -> None:
    """Drop both."""
    op.drop_index("ix_attempt_unhappy", table_name="attempt")
    op.drop_table("replay")
