"""Every table. Moments are microseconds since 1970 in UTC (`values.py`); JSON is ASCII text; identifiers sort by byte.

A delivery is split by how it changes: `payload` is what was received and never changes again, `delivery` is where it
stands and is small, so that neither a list nor a change of status touches a body.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import BigInteger, Index, LargeBinary, Table, Text, text
from sqlmodel import Field, SQLModel

from receiver.storage.columns import NO_ROWID, Base, Ident, Micros, Serial, partial

UNHAPPY = "status IN ('failed', 'crashed', 'cancelled') AND ended_at IS NOT NULL"
"""Attempts whose run somebody may retry in Prefect. In so many words: a query finds the index by the same ones."""
IN_LINE = "ordering_key IS NOT NULL AND status = 'queued'"
"""Attempts with an order to keep that have no run yet."""
BEGUN = "ordering_key IS NOT NULL AND tries > 0 AND status IN ('queued', 'dispatched', 'running')"
"""Attempts with an order to keep whose hand-over has begun and whose run has not ended: the next ones wait for them."""
GATHERING = "batch_size IS NOT NULL AND batch_id IS NULL AND due_at IS NOT NULL"
"""Attempts that may be taken into the next batch of their webhook."""
GATHERED = "batch_id IS NOT NULL"


class Webhook(Base, table=True):
    """A definition in force. `definition` is JSON without `state`, which is a column since operators change it.

    `source` names the project or the set of files it comes from; null for what was made by hand.
    """

    __tablename__ = "webhook"

    key: str = Field(sa_type=Ident, primary_key=True)
    definition: str = Field(sa_type=Text)
    revision: int
    origin: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    state_by_operator: int = 0
    created_at: int = Field(sa_type=Micros)
    updated_at: int = Field(sa_type=Micros)
    source: str | None = Field(default=None, sa_type=Text)


class WebhookRevision(Base, table=True):
    """Each definition a webhook ever had; deliveries name the one they were judged by. Outlives the webhook."""

    __tablename__ = "webhook_revision"

    key: str = Field(sa_type=Ident, primary_key=True)
    revision: int = Field(primary_key=True)
    definition: str = Field(sa_type=Text)
    origin: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    created_at: int = Field(sa_type=Micros)


class Delivery(Base, table=True):
    """Where a request stands. `attempt` is the number of the latest one, 0 while there is none.

    `parent_id` names the split request that this delivery is a part of.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_webhook", "webhook", "id"),
        Index("ix_delivery_webhook_status", "webhook", "status", "id"),
        Index("ix_delivery_status", "status", "id"),
        partial("ix_delivery_reason", "reason", "id", where="reason IS NOT NULL"),
        partial("ix_delivery_event_id", "event_id", "id", where="event_id IS NOT NULL"),
        partial("ix_delivery_parent_id", "parent_id", "id", where="parent_id IS NOT NULL"),
    )

    id: str = Field(sa_type=Ident, primary_key=True)
    webhook: str = Field(sa_type=Ident)
    revision: int
    status: str = Field(sa_type=Ident)
    reason: str | None = Field(default=None, sa_type=Ident)
    detail: str = Field(sa_type=Text)
    method: str = Field(sa_type=Text)
    path: str = Field(sa_type=Text)
    client_ip: str = Field(sa_type=Text)
    content_type: str = Field(sa_type=Text)
    body_size: int = Field(sa_type=BigInteger)
    event_id: str | None = Field(default=None, sa_type=Ident)
    duplicate_of: str | None = Field(default=None, sa_type=Ident)
    id_conflict: int = 0
    attempt: int = 0
    response_status: int | None = None
    receive_ms: float
    received_at: int = Field(sa_type=Micros)
    updated_at: int = Field(sa_type=Micros)
    parent_id: str | None = Field(default=None, sa_type=Ident)
    ordering_key: str | None = Field(default=None, sa_type=Ident)


class Payload(Base, table=True):
    """What was received, redacted. `headers`, `query`, `params`, `verification` and `notes` are JSON."""

    __tablename__ = "payload"

    delivery_id: str = Field(sa_type=Ident, primary_key=True)
    headers: str = Field(sa_type=Text)
    query: str = Field(sa_type=Text)
    params: str = Field(sa_type=Text)
    verification: str = Field(sa_type=Text)
    notes: str = Field(sa_type=Text)
    body: bytes = Field(sa_type=LargeBinary)


class Attempt(Base, table=True):
    """One start of a flow run. `due_at` is set while it waits for its hand-over or is leased (then it is the lease's
    end: whoever died leaves it due again); `parked_due_at` while its webhook is paused. `state_at` is when Prefect
    says that it came to its state, `seen_at` when we heard of it.

    `priority` says whose hand-over comes first (`deliveries/priority.py`).

    One with an `ordering_key` and neither time waits for those before it of the same key. `batch_size` says how many
    may share its run; those that do have the same `batch_id`, and one of them alone is due for all."""

    __tablename__ = "attempt"
    __table_args__ = (
        partial("ix_attempt_due", "priority", "due_at", where="due_at IS NOT NULL"),
        partial("ix_attempt_parked", "webhook", "parked_due_at", where="parked_due_at IS NOT NULL"),
        partial("ix_attempt_flow_run_id", "flow_run_id", where="flow_run_id IS NOT NULL"),
        partial("ix_attempt_unhappy", "ended_at", where=UNHAPPY),
        partial("ix_attempt_in_line", "webhook", "ordering_key", "created_at", "delivery_id", where=IN_LINE),
        partial("ix_attempt_begun", "webhook", "ordering_key", where=BEGUN),
        partial("ix_attempt_gathering", "webhook", "created_at", "delivery_id", where=GATHERING),
        partial("ix_attempt_batch_id", "batch_id", where=GATHERED),
    )

    delivery_id: str = Field(sa_type=Ident, primary_key=True)
    number: int = Field(primary_key=True)
    webhook: str = Field(sa_type=Ident)
    status: str = Field(sa_type=Ident)
    deployment: str = Field(sa_type=Text)
    deployment_id: str | None = Field(default=None, sa_type=Text)
    flow_id: str | None = Field(default=None, sa_type=Text)
    flow_run_id: str | None = Field(default=None, sa_type=Ident)
    tries: int = 0
    due_at: int | None = Field(default=None, sa_type=Micros)
    parked_due_at: int | None = Field(default=None, sa_type=Micros)
    lease_owner: str | None = Field(default=None, sa_type=Text)
    state_name: str | None = Field(default=None, sa_type=Text)
    state_at: int | None = Field(default=None, sa_type=Micros)
    seen_at: int | None = Field(default=None, sa_type=Micros)
    detail: str = Field(default="", sa_type=Text)
    created_at: int = Field(sa_type=Micros)
    handed_over_at: int | None = Field(default=None, sa_type=Micros)
    started_at: int | None = Field(default=None, sa_type=Micros)
    ended_at: int | None = Field(default=None, sa_type=Micros)
    queue_ms: float | None = None
    start_ms: float | None = None
    run_ms: float | None = None
    ordering_key: str | None = Field(default=None, sa_type=Ident)
    batch_size: int | None = None
    batch_id: str | None = Field(default=None, sa_type=Ident)
    priority: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})


class Replay(Base, table=True):
    """How an attempt differs from the request that came: it was asked for, by `actor`, under a revision of its own.

    `content_type` and `body` are set where the body was edited; what was received stays in `payload`.
    """

    __tablename__ = "replay"

    delivery_id: str = Field(sa_type=Ident, primary_key=True)
    attempt: int = Field(primary_key=True)
    revision: int
    actor: str = Field(sa_type=Text)
    content_type: str | None = Field(default=None, sa_type=Text)
    body: bytes | None = Field(default=None, sa_type=LargeBinary)


class KeptBody(Base, table=True):
    """Where a body is that is too big for its row: of the request as it came (`attempt` 0) or as edited for an attempt.

    `body_at` is text of `receiver.bodies` and ends with `key`. `gone`: nobody needs it, and it is to be deleted there.
    """

    __tablename__ = "kept_body"
    __table_args__ = (
        Index("ix_kept_body_key", "key"),
        partial("ix_kept_body_gone", "delivery_id", where="gone = 1"),
    )

    delivery_id: str = Field(sa_type=Ident, primary_key=True)
    attempt: int = Field(primary_key=True)
    key: str = Field(sa_type=Ident)
    body_at: str = Field(sa_type=Text)
    gone: int = 0


class BodyPiece(Base, table=True):
    """A piece of a body that is kept in this database; `number` counts from 0."""

    __tablename__ = "body_piece"

    key: str = Field(sa_type=Ident, primary_key=True)
    number: int = Field(primary_key=True)
    data: bytes = Field(sa_type=LargeBinary)


class Ledger(Base, table=True):
    """Which delivery a sender's event belongs to. `key` is the SHA-256 of the event id, so that any id fits."""

    __tablename__ = "ledger"
    __table_args__ = (NO_ROWID,)

    webhook: str = Field(sa_type=Ident, primary_key=True)
    key: bytes = Field(sa_type=LargeBinary, primary_key=True)
    delivery_id: str = Field(sa_type=Ident)
    body_digest: bytes = Field(sa_type=LargeBinary)
    expires_at: int = Field(sa_type=Micros)


class StatusChange(Base, table=True):
    """Every change of a delivery's or an attempt's status. `from` and `to` are words of SQL: hence the names."""

    __tablename__ = "status_change"
    __table_args__ = (Index("ix_status_change_delivery_id", "delivery_id"),)

    id: int | None = Field(default=None, sa_type=Serial, primary_key=True)
    delivery_id: str = Field(sa_type=Ident)
    attempt: int
    at: int = Field(sa_type=Micros)
    from_status: str = Field(sa_type=Text)
    to_status: str = Field(sa_type=Text)
    source: str = Field(sa_type=Text)
    detail: str = Field(sa_type=Text)


class Reply(Base, table=True):
    """What an attempt answered its waiting caller: the first reply wins. `wire` is JSON as it travelled."""

    __tablename__ = "reply"
    __table_args__ = (NO_ROWID,)

    delivery_id: str = Field(sa_type=Ident, primary_key=True)
    attempt: int = Field(primary_key=True)
    wire: str = Field(sa_type=Text)
    received_at: int = Field(sa_type=Micros)


class ApiKey(Base, table=True):
    """A key of the admin API; only its SHA-256 is kept. `hint` is its beginning, for people to tell keys apart."""

    __tablename__ = "api_key"
    __table_args__ = (Index("ix_api_key_digest", "digest", unique=True),)

    id: str = Field(sa_type=Ident, primary_key=True)
    name: str = Field(sa_type=Text)
    scope: str = Field(sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)
    hint: str = Field(sa_type=Text)
    created_at: int = Field(sa_type=Micros)
    last_used_at: int | None = Field(default=None, sa_type=Micros)
    revoked_at: int | None = Field(default=None, sa_type=Micros)
    expires_at: int | None = Field(default=None, sa_type=Micros)


class Audit(Base, table=True):
    """An administrative change: who, when, from where, what. `changes` is JSON: `[{"field", "before", "after"}]`.

    What a webhook's definition was and became is told by its revisions, which `revision_before` and `revision_after`
    name.
    """

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"), Index("ix_audit_object", "object", "id"))

    id: int | None = Field(default=None, sa_type=Serial, primary_key=True)
    at: int = Field(sa_type=Micros)
    action: str = Field(sa_type=Ident)
    object: str = Field(sa_type=Ident)
    origin: str = Field(sa_type=Text)
    key_id: str | None = Field(default=None, sa_type=Text)
    key_name: str = Field(sa_type=Text)
    address: str = Field(sa_type=Text)
    revision_before: int | None = None
    revision_after: int | None = None
    changes: str = Field(sa_type=Text)


class PurgedRun(Base, table=True):
    """A run in Prefect whose deliveries were purged or erased, until it is deleted there."""

    __tablename__ = "purged_run"
    __table_args__ = (NO_ROWID,)

    flow_run_id: str = Field(sa_type=Ident, primary_key=True)


class RefusalCount(Base, table=True):
    """How many requests of an address were refused at a webhook in a minute (minutes since 1970).

    Unknown paths are counted with an empty address and webhook.
    """

    __tablename__ = "refusal_count"
    __table_args__ = (NO_ROWID,)

    minute: int = Field(sa_type=BigInteger, primary_key=True)
    webhook: str = Field(sa_type=Ident, primary_key=True)
    address: str = Field(sa_type=Ident, primary_key=True)
    count: int = Field(sa_type=BigInteger)


class UnknownPath(Base, table=True):
    """The last hundred paths that were asked for and are nobody's."""

    __tablename__ = "unknown_path"
    __table_args__ = (Index("ix_unknown_path_last_at", "last_at"),)

    path: str = Field(sa_type=Ident, primary_key=True)
    count: int = Field(sa_type=BigInteger)
    first_at: int = Field(sa_type=Micros)
    last_at: int = Field(sa_type=Micros)


class Alert(Base, table=True):
    """A warning that was raised, about `subject`: a webhook's key, a receiver or its disk, or nothing in particular.

    `reminders` is how often it was told again, the last time at `told_at`. One that is over stays for a while. Of a
    receiver's own, `seen_at` is when that receiver last looked.
    """

    __tablename__ = "alert"
    __table_args__ = (NO_ROWID,)

    rule: str = Field(sa_type=Ident, primary_key=True)
    subject: str = Field(sa_type=Ident, primary_key=True)
    summary: str = Field(sa_type=Text)
    remedy: str = Field(sa_type=Text)
    raised_at: int = Field(sa_type=Micros)
    told_at: int = Field(sa_type=Micros)
    reminders: int = 0
    resolved_at: int | None = Field(default=None, sa_type=Micros)
    seen_at: int | None = Field(default=None, sa_type=Micros)


class AlertNotice(Base, table=True):
    """What one channel has to tell of a warning: at `due_at`, null when that is done with, told or given up.

    Those with the same `message` went out together at `sent_at`.
    """

    __tablename__ = "alert_notice"
    __table_args__ = (
        partial("ix_alert_notice_due_at", "due_at", where="due_at IS NOT NULL"),
        partial("ix_alert_notice_sent_at", "sent_at", where="sent_at IS NOT NULL"),
    )

    id: int | None = Field(default=None, sa_type=Serial, primary_key=True)
    channel: str = Field(sa_type=Ident)
    kind: str = Field(sa_type=Text)
    rule: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    summary: str = Field(sa_type=Text)
    remedy: str = Field(sa_type=Text)
    raised_at: int = Field(sa_type=Micros)
    at: int = Field(sa_type=Micros)
    tries: int = 0
    due_at: int | None = Field(default=None, sa_type=Micros)
    sent_at: int | None = Field(default=None, sa_type=Micros)
    message: int | None = Field(default=None, sa_type=BigInteger)
    problem: str = Field(default="", sa_type=Text)


class Meta(Base, table=True):
    """Single values: `catalog` (its `number` changes with every definition), `instance` (its `text` is a secret),
    `alerts` (its `text` is who looks after warnings, until `number`)."""

    __tablename__ = "meta"

    name: str = Field(sa_type=Ident, primary_key=True)
    number: int = Field(default=0, sa_type=BigInteger)
    text: str = Field(default="", sa_type=Text)


def _table(model: type[SQLModel]) -> Table:
    return cast("Table", model.__table__)  # type: ignore[attr-defined]  # SQLModel adds it to table models only


VERSION_TABLE = "webhooks_schema"
"""Where the revision of these tables is kept. Ours alone, so that the database may be shared with another program that
uses Alembic."""

metadata = Base.metadata
webhook, webhook_revision = _table(Webhook), _table(WebhookRevision)
delivery, payload, attempt = _table(Delivery), _table(Payload), _table(Attempt)
ledger, status_change, reply, replay = _table(Ledger), _table(StatusChange), _table(Reply), _table(Replay)
api_key, refusal_count, unknown_path, meta = _table(ApiKey), _table(RefusalCount), _table(UnknownPath), _table(Meta)
audit, purged_run = _table(Audit), _table(PurgedRun)
alert, alert_notice = _table(Alert), _table(AlertNotice)
kept_body, body_piece = _table(KeptBody), _table(BodyPiece)
