"""The inbox: definitions, deliveries with their attempts, the ledger, keys and counts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

IDENT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def partial(column: str) -> dict[str, Any]:
    """An index of the rows that have a value in this column."""
    where = sa.text(f"{column} IS NOT NULL")
    return {"sqlite_where": where, "postgresql_where": where}


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "api_key",
        sa.Column("id", IDENT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
    )
    op.create_index("ix_api_key_digest", "api_key", ["digest"], unique=True)
    op.create_table(
        "attempt",
        sa.Column("delivery_id", IDENT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("webhook", IDENT, nullable=False),
        sa.Column("status", IDENT, nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("deployment_id", sa.Text()),
        sa.Column("flow_id", sa.Text()),
        sa.Column("flow_run_id", IDENT),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("parked_due_at", sa.BigInteger()),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("state_name", sa.Text()),
        sa.Column("state_at", sa.BigInteger()),
        sa.Column("seen_at", sa.BigInteger()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("handed_over_at", sa.BigInteger()),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("queue_ms", sa.Float()),
        sa.Column("start_ms", sa.Float()),
        sa.Column("run_ms", sa.Float()),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_attempt"),
    )
    op.create_index("ix_attempt_due_at", "attempt", ["due_at"], **partial("due_at"))
    op.create_index("ix_attempt_flow_run_id", "attempt", ["flow_run_id"], **partial("flow_run_id"))
    op.create_index("ix_attempt_parked", "attempt", ["webhook", "parked_due_at"], **partial("parked_due_at"))
    op.create_table(
        "delivery",
        sa.Column("id", IDENT, nullable=False),
        sa.Column("webhook", IDENT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("status", IDENT, nullable=False),
        sa.Column("reason", IDENT),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("client_ip", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("body_size", sa.BigInteger(), nullable=False),
        sa.Column("event_id", IDENT),
        sa.Column("duplicate_of", IDENT),
        sa.Column("id_conflict", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("response_status", sa.Integer()),
        sa.Column("receive_ms", sa.Float(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
    )
    op.create_index("ix_delivery_event_id", "delivery", ["event_id", "id"], **partial("event_id"))
    op.create_index("ix_delivery_reason", "delivery", ["reason", "id"], **partial("reason"))
    op.create_index("ix_delivery_status", "delivery", ["status", "id"])
    op.create_index("ix_delivery_webhook", "delivery", ["webhook", "id"])
    op.create_index("ix_delivery_webhook_status", "delivery", ["webhook", "status", "id"])
    op.create_table(
        "ledger",
        sa.Column("webhook", IDENT, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("delivery_id", IDENT, nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("webhook", "key", name="pk_ledger"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meta",
        sa.Column("name", IDENT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "payload",
        sa.Column("delivery_id", IDENT, nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("verification", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_payload"),
    )
    op.create_table(
        "refusal_count",
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("webhook", IDENT, nullable=False),
        sa.Column("address", IDENT, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("minute", "webhook", "address", name="pk_refusal_count"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "status_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("delivery_id", IDENT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_status_change"),
    )
    op.create_index("ix_status_change_delivery_id", "status_change", ["delivery_id"])
    op.create_table(
        "unknown_path",
        sa.Column("path", IDENT, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_unknown_path"),
    )
    op.create_index("ix_unknown_path_last_at", "unknown_path", ["last_at"])
    op.create_table(
        "webhook",
        sa.Column("key", IDENT, nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_by_operator", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_webhook"),
    )
    op.create_table(
        "webhook_revision",
        sa.Column("key", IDENT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "revision", name="pk_webhook_revision"),
    )
