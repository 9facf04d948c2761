"""Looking into the inbox. Lists go from the newest to the oldest by id, which sorts by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select

from receiver.contract.reasons import Reason
from receiver.deliveries import crashes, kept
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.moves import LATEST
from receiver.deliveries.records import DeliveryFilter, StoredRequest
from receiver.deliveries.views import (
    AttemptRecord,
    DeliveryRecord,
    DeliverySummary,
    FirstAnswer,
    RefusalCount,
    StatusChange,
)
from receiver.storage.tables import attempt, delivery, payload, refusal_count, replay, status_change, unknown_path
from receiver.storage.values import first_id, from_json, from_micros, maybe_from_micros, to_micros, to_text

_OF_ATTEMPT = ("deployment", "flow_run_id", "queue_ms", "start_ms", "run_ms")
SUMMARY = select(delivery, *(attempt.c[name] for name in _OF_ATTEMPT)).outerjoin(attempt, LATEST)
_IS_REPLAY = (replay.c.delivery_id == attempt.c.delivery_id) & (replay.c.attempt == attempt.c.number)
_ATTEMPTS = (
    select(
        attempt,
        func.coalesce(replay.c.revision, delivery.c.revision).label("revision"),
        replay.c.actor,
        replay.c.body.is_not(None).label("edited"),
    )
    .join(delivery, delivery.c.id == attempt.c.delivery_id)
    .outerjoin(replay, _IS_REPLAY)
)
_JSON = ("headers", "query", "params", "verification", "notes")
_CLOCKS = timedelta(hours=1)
"""How far an id's time and the time of reception may be apart."""


def get(connection: Connection, delivery_id: str) -> DeliveryRecord | None:
    """Everything of a delivery but its body."""
    row = connection.execute(SUMMARY.where(delivery.c.id == to_text(delivery_id, 100))).mappings().one_or_none()
    if row is None:
        return None
    found = row["id"]
    columns = [payload.c[name] for name in _JSON]
    stored = connection.execute(select(*columns).where(payload.c.delivery_id == found)).mappings().one()
    attempts = _ATTEMPTS.where(attempt.c.delivery_id == found).order_by(attempt.c.number)
    changes = select(status_change).where(status_change.c.delivery_id == found).order_by(status_change.c.id)
    return DeliveryRecord(
        **_summary_fields(row),
        **{name: from_json(stored[name]) for name in _JSON},
        attempts=tuple(_attempt(each) for each in connection.execute(attempts).mappings()),
        changes=tuple(_change(each) for each in connection.execute(changes).mappings()),
    )


def request(connection: Connection, delivery_id: str, number: int = 0) -> StoredRequest | None:
    """A delivery's request as an attempt has it, perhaps with an edited body; as it came for none of them (0)."""
    return requests(connection, [(delivery_id, number)])[0]


def requests(connection: Connection, attempts: Sequence[tuple[str, int]]) -> list[StoredRequest | None]:
    """The requests of attempts, by delivery and number, in their order; at most 1,000. Of a body that is gone: None."""
    names = ("id", "webhook", "revision", "method", "path", "client_ip", "content_type", "body_size", "received_at")
    as_json = ("headers", "query", "params", "verification")
    columns = [*(delivery.c[name] for name in names), *(payload.c[name] for name in as_json), payload.c.body]
    wanted = [to_text(delivery_id, 100) for delivery_id, _ in attempts]
    query = select(*columns).join(payload, payload.c.delivery_id == delivery.c.id).where(delivery.c.id.in_(wanted))
    rows = {row["id"]: row for row in connection.execute(query).mappings()}
    replays = connection.execute(select(replay).where(replay.c.delivery_id.in_(wanted)))
    differing = {(row.delivery_id, row.attempt): row for row in replays}
    apart = [row["id"] for row in rows.values() if row["body_size"] and not row["body"]]
    apart += [row.delivery_id for row in differing.values() if row.body is not None and not row.body]
    places = kept.places(connection, apart) if apart else {}
    found: list[StoredRequest | None] = []
    for delivery_id, (_, number) in zip(wanted, attempts, strict=True):
        row = rows.get(delivery_id)
        body_at = places.get((delivery_id, 0))
        if row is None or (row["body_size"] and not row["body"] and body_at is None):  # deleted when it came of age
            found.append(None)
            continue
        fields: dict[str, Any] = {name: row[name] for name in names}
        fields |= {name: from_json(row[name]) for name in as_json}
        fields |= {"body": bytes(row["body"]), "body_at": body_at, "received_at": from_micros(row["received_at"])}
        stored = StoredRequest(**fields)
        if (differs := differing.get((delivery_id, number))) is not None:
            stored = replace(stored, revision=differs.revision)
            if differs.body is not None:
                stored = stored.edited_to(bytes(differs.body), differs.content_type)
                stored = replace(stored, body_at=places.get((delivery_id, number)))
        found.append(stored)
    return found


def first_answer(connection: Connection, delivery_id: str) -> FirstAnswer | None:
    """What is needed to answer a duplicate of this delivery."""
    row = connection.execute(SUMMARY.where(delivery.c.id == to_text(delivery_id, 100))).mappings().one_or_none()
    if row is None:
        return None
    names = (
        "id",
        "webhook",
        "revision",
        "status",
        "reason",
        "attempt",
        "flow_run_id",
        "response_status",
        "received_at",
    )
    fields = _summary_fields(row)
    return FirstAnswer(**{name: fields[name] for name in names})


def list_deliveries(
    connection: Connection, which: DeliveryFilter, limit: int, cursor: str | None
) -> tuple[list[DeliverySummary], str | None]:
    """A page of deliveries, newest first, and the cursor of the next page, None at the end. Not by a word: `search`."""
    query = SUMMARY.where(*conditions(which))
    if cursor:
        query = query.where(delivery.c.id < to_text(cursor, 100))
    query = query.order_by(delivery.c.id.desc()).limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    items = [summary_of(row) for row in rows[:limit]]
    return items, items[-1].id if len(rows) > limit else None


def stats(connection: Connection, webhook: str) -> dict[str, Any]:
    """How many deliveries a webhook has, in all and by status."""
    query = select(delivery.c.status, func.count().label("number")).where(delivery.c.webhook == to_text(webhook, 500))
    rows = connection.execute(query.group_by(delivery.c.status).order_by(delivery.c.status))
    by_status = {row.status: row.number for row in rows}
    return {"total": sum(by_status.values()), "by_status": by_status}


def refusal_counts(connection: Connection, since: datetime) -> list[RefusalCount]:
    """How many requests were refused, by minute, webhook and address; unknown paths have neither."""
    rows = select(refusal_count).where(refusal_count.c.minute >= to_micros(since) // 60_000_000)
    order = (refusal_count.c.minute, refusal_count.c.webhook, refusal_count.c.address)
    return [
        RefusalCount(
            minute=from_micros(row["minute"] * 60_000_000),
            webhook=row["webhook"],
            address=row["address"],
            count=row["count"],
        )
        for row in connection.execute(rows.order_by(*order)).mappings()
    ]


def unknown_paths(connection: Connection) -> list[tuple[str, int, datetime]]:
    """The last paths that are nobody's: path, how often it was asked for, when last; newest first."""
    rows = select(unknown_path).order_by(unknown_path.c.last_at.desc(), unknown_path.c.path)
    return [(row["path"], row["count"], from_micros(row["last_at"])) for row in connection.execute(rows).mappings()]


def conditions(which: DeliveryFilter) -> list[ColumnElement[bool]]:
    """What a row of `delivery` has to be for the filter to show it."""
    columns, found = delivery.c, []
    if which.webhook is not None:
        found.append(columns.webhook == to_text(which.webhook, 500))
    if which.status is not None:
        found.append(columns.status == which.status.value)
    if which.reason is not None:
        found.append(columns.reason == which.reason.value)
    if which.since is not None:
        # The bound on the id spares the walk through everything that came later or before.
        found += [columns.received_at >= to_micros(which.since), columns.id >= first_id(which.since - _CLOCKS)]
    if which.until is not None:
        found += [columns.received_at < to_micros(which.until), columns.id < first_id(which.until + _CLOCKS)]
    if which.event_id is not None:
        found.append(columns.event_id == to_text(which.event_id, 300))
    if which.parent is not None:
        found.append(columns.parent_id == to_text(which.parent, 100))
    if which.ids is not None:
        found.append(columns.id.in_([to_text(each, 100) for each in which.ids]))
    if which.q:
        found.append(_matches(to_text(which.q, 300)))
    return found


def _matches(q: str) -> ColumnElement[bool]:
    of_run = select(attempt.c.delivery_id).where(attempt.c.flow_run_id == q)
    columns = delivery.c
    return or_(
        columns.id.contains(q, autoescape=True),
        columns.event_id == q,
        columns.path.contains(q, autoescape=True),
        columns.id.in_(of_run),
    )


def summary_of(row: RowMapping) -> DeliverySummary:
    """A row of `SUMMARY` as it is told."""
    return DeliverySummary(**_summary_fields(row))


def _summary_fields(row: RowMapping) -> dict[str, Any]:
    fields = dict(row)
    return {
        **fields,
        "status": Status(row["status"]),
        "reason": Reason(row["reason"]) if row["reason"] else None,
        "id_conflict": bool(row["id_conflict"]),
        "received_at": from_micros(row["received_at"]),
        "updated_at": from_micros(row["updated_at"]),
    }


def _attempt(row: RowMapping) -> AttemptRecord:
    moments = ("due_at", "handed_over_at", "started_at", "ended_at")
    plain = ("deployment", "deployment_id", "flow_id", "flow_run_id", "state_name", "tries", "detail", "lease_owner")
    fields: dict[str, Any] = {name: row[name] for name in ("number", *plain, "queue_ms", "start_ms", "run_ms")}
    fields |= {name: maybe_from_micros(row[name]) for name in moments}
    fields |= {"revision": row["revision"], "actor": row["actor"], "edited": bool(row["edited"])}
    cause = "request" if row["actor"] is None else "replay"
    fields |= {"cause": "crash" if row["actor"] == crashes.ACTOR else cause}
    return AttemptRecord(**fields, status=Status(row["status"]), created_at=from_micros(row["created_at"]))


def _change(row: RowMapping) -> StatusChange:
    return StatusChange(
        attempt=row["attempt"],
        at=from_micros(row["at"]),
        before=Status(row["from_status"]),
        after=Status(row["to_status"]),
        source=row["source"],
        detail=row["detail"],
    )
