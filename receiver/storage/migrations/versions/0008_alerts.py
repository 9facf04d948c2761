"""Warnings that were raised, and what is to be told of them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

IDENT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "alert",
        sa.Column("rule", IDENT, nullable=False),
        sa.Column("subject", IDENT, nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("rule", "subject", name="pk_alert"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alert_notice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel", IDENT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_notice"),
    )
    due, sent = sa.text("due_at IS NOT NULL"), sa.text("sent_at IS NOT NULL")
    op.create_index("ix_alert_notice_due_at", "alert_notice", ["due_at"], sqlite_where=due, postgresql_where=due)
    op.create_index("ix_alert_notice_sent_at", "alert_notice", ["sent_at"], sqlite_where=sent, postgresql_where=sent)


def downgrade() -> None:
    """Drop both."""
    op.drop_table("alert_notice")
    op.drop_table("alert")
