"""Bodies that are too big for their row, and pieces of those that are kept in the database all the same."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

IDENT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
GONE = "gone = 1"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "kept_body",
        sa.Column("delivery_id", IDENT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("key", IDENT, nullable=False),
        sa.Column("body_at", sa.Text(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "attempt", name="pk_kept_body"),
    )
    op.create_index("ix_kept_body_key", "kept_body", ["key"])
    where: Any = {"sqlite_where": sa.text(GONE), "postgresql_where": sa.text(GONE)}
    op.create_index("ix_kept_body_gone", "kept_body", ["delivery_id"], **where)
    op.create_table(
        "body_piece",
        sa.Column("key", IDENT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key", "number", name="pk_body_piece"),
    )


def downgrade() -> None:
    """Drop both, with the bodies that are in them."""
    op.drop_table("body_piece")
    op.drop_table("kept_body")
