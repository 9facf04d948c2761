"""Whose hand-over comes first: a waiting caller's, what arrives, what somebody asked for again."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WAITS = "due_at IS NOT NULL"
ASKED_FOR = "SELECT delivery_id, attempt FROM replay WHERE actor != 'on_crash'"
REPLAYS = f"UPDATE attempt SET priority = 2 WHERE (delivery_id, number) IN ({ASKED_FOR})"  # noqa: S608 (no value in it)


def upgrade() -> None:
    """Add the column, and have the index of what is due begin with it."""
    op.add_column("attempt", sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.execute(REPLAYS)
    op.drop_index("ix_attempt_due_at", table_name="attempt")
    _index("ix_attempt_due", ["priority", "due_at"])


def downgrade() -> None:
    """As it was."""
    op.drop_index("ix_attempt_due", table_name="attempt")
    _index("ix_attempt_due_at", ["due_at"])
    op.drop_column("attempt", "priority")


def _index(name: str, columns: list[str]) -> None:
    where: Any = {"sqlite_where": sa.text(WAITS), "postgresql_where": sa.text(WAITS)}
    op.create_index(name, "attempt", columns, **where)
