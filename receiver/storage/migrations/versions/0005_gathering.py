"""Split requests, batches and order: whose part a delivery is, who shares a run, who waits for whom."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

IDENT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
PART = "parent_id IS NOT NULL"
IN_LINE = "ordering_key IS NOT NULL AND status = 'queued'"
BEGUN = "ordering_key IS NOT NULL AND tries > 0 AND status IN ('queued', 'dispatched', 'running')"
GATHERING = "batch_size IS NOT NULL AND batch_id IS NULL AND due_at IS NOT NULL"
GATHERED = "batch_id IS NOT NULL"


def upgrade() -> None:
    """Add the columns and their indexes."""
    op.add_column("delivery", sa.Column("parent_id", IDENT, nullable=True))
    op.add_column("delivery", sa.Column("ordering_key", IDENT, nullable=True))
    op.add_column("attempt", sa.Column("ordering_key", IDENT, nullable=True))
    op.add_column("attempt", sa.Column("batch_size", sa.Integer(), nullable=True))
    op.add_column("attempt", sa.Column("batch_id", IDENT, nullable=True))
    _index("ix_delivery_parent_id", "delivery", ["parent_id", "id"], PART)
    _index("ix_attempt_in_line", "attempt", ["webhook", "ordering_key", "created_at", "delivery_id"], IN_LINE)
    _index("ix_attempt_begun", "attempt", ["webhook", "ordering_key"], BEGUN)
    _index("ix_attempt_gathering", "attempt", ["webhook", "created_at", "delivery_id"], GATHERING)
    _index("ix_attempt_batch_id", "attempt", ["batch_id"], GATHERED)


def downgrade() -> None:
    """Drop them."""
    for name in ("ix_attempt_batch_id", "ix_attempt_gathering", "ix_attempt_begun", "ix_attempt_in_line"):
        op.drop_index(name, table_name="attempt")
    op.drop_index("ix_delivery_parent_id", table_name="delivery")
    for name in ("batch_id", "batch_size", "ordering_key"):
        op.drop_column("attempt", name)
    for name in ("ordering_key", "parent_id"):
        op.drop_column("delivery", name)


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    condition: Any = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, table, columns, **condition)
