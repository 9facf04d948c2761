"""Replies of synchronous webhooks, kept so that a late one is still found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.views import KeptReply
from receiver.storage.rows import RowInsert
from receiver.storage.tables import attempt, delivery, reply
from receiver.storage.values import from_micros, to_text

_INSERT = RowInsert(reply, ("delivery_id", "attempt", "wire", "received_at"), on_conflict="DO NOTHING")


def record(connection: Connection, delivery_id: str, number: int, wire: Mapping[str, Any], now: int) -> bool:
    """Keep the first reply of an attempt of a delivery that we have. Whether this was it."""
    identity = to_text(delivery_id, 100)
    if connection.execute(select(delivery.c.id).where(delivery.c.id == identity)).first() is None:
        return False
    return _INSERT.insert(connection, [(identity, number, json.dumps(wire), now)]) > 0


def run_of(connection: Connection, delivery_id: str, attempt_number: int) -> str | None:
    """The flow run of an attempt; None while it is not known."""
    mine = (attempt.c.delivery_id == to_text(delivery_id, 100)) & (attempt.c.number == attempt_number)
    return connection.execute(select(attempt.c.flow_run_id).where(mine)).scalar_one_or_none()


def latest(connection: Connection, delivery_id: str) -> dict[str, Any] | None:
    """The reply of the latest attempt that gave one."""
    query = select(reply.c.wire).where(reply.c.delivery_id == delivery_id).order_by(reply.c.attempt.desc()).limit(1)
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else dict(json.loads(found))


def of_attempts(connection: Connection, delivery_id: str) -> dict[int, KeptReply]:
    """The replies of a delivery by the number of their attempt."""
    query = select(reply.c.attempt, reply.c.wire, reply.c.received_at)
    rows = connection.execute(query.where(reply.c.delivery_id == to_text(delivery_id, 100)))
    return {row.attempt: KeptReply(wire=json.loads(row.wire), at=from_micros(row.received_at)) for row in rows}


def standing(connection: Connection, delivery_id: str) -> Status | None:
    """Where a delivery stands; None for one that is not there."""
    found = connection.execute(select(delivery.c.status).where(delivery.c.id == delivery_id)).scalar_one_or_none()
    return None if found is None else Status(found)


def answered(connection: Connection, delivery_id: str, status: int | None, reason: Reason | None) -> None:
    """Note the status of the answer that was given (None: the caller was gone), and why it was none that was meant."""
    values: dict[str, Any] = {"response_status": status} | ({"reason": reason.value} if reason else {})
    connection.execute(update(delivery).where(delivery.c.id == delivery_id).values(**values))
