"""Changing a status: of an attempt, of its delivery when it is the latest, and the record of it."""

from __future__ import annotations

from sqlalchemy import Connection, and_, insert, select, update

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status, may_move
from receiver.storage.tables import attempt, delivery, status_change
from receiver.storage.values import to_text

LATEST = and_(attempt.c.delivery_id == delivery.c.id, attempt.c.number == delivery.c.attempt)
"""The attempt that a delivery's status is of."""

IDLE = {"due_at": None, "parked_due_at": None, "lease_owner": None}
"""An attempt that waits for nothing and is in nobody's hands."""


def move(
    connection: Connection,
    delivery_id: str,
    number: int,
    to: Status,
    *,
    at: int,
    now: int,
    source: str,
    reason: Reason | None = None,
    detail: str = "",
) -> bool:
    """Move an attempt, and its delivery when this is the latest attempt, where the lifecycle allows it.

    `at` is when it happened, `now` when we write, both in microseconds. Whether the attempt moved.
    """
    mine = (attempt.c.delivery_id == delivery_id) & (attempt.c.number == number)
    current = connection.execute(select(attempt.c.status).where(mine).with_for_update()).scalar_one()
    if not may_move(Status(current), to):
        return False
    detail = to_text(detail, 2000)
    connection.execute(update(attempt).where(mine).values(status=to.value))
    connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.attempt == number)
        .values(status=to.value, reason=reason.value if reason else None, detail=detail, updated_at=now)
    )
    change = {"delivery_id": delivery_id, "attempt": number, "at": at, "source": source, "detail": detail}
    connection.execute(insert(status_change), [{**change, "from_status": current, "to_status": to.value}])
    return True
