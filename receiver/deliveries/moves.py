"""Changing a status: of attempts, of their deliveries when they are the latest, and the record of it."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import ColumnElement, Connection, and_, select, update

from receiver.contract.reasons import Reason
from receiver.deliveries import order
from receiver.deliveries.lifecycle import UNFINISHED, Status, may_move
from receiver.storage.rows import RowInsert
from receiver.storage.tables import attempt, delivery, status_change
from receiver.storage.values import to_text

LATEST = and_(attempt.c.delivery_id == delivery.c.id, attempt.c.number == delivery.c.attempt)
"""The attempt that a delivery's status is of."""

IDLE = {"due_at": None, "parked_due_at": None, "lease_owner": None}
"""An attempt that waits for nothing and is in nobody's hands."""


_CHANGES = RowInsert(status_change, ("delivery_id", "attempt", "at", "from_status", "to_status", "source", "detail"))
_PAGE = 500


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
    """Move one attempt, as `move_all` does. Whether it moved."""
    mine = (attempt.c.delivery_id == delivery_id) & (attempt.c.number == number)
    return move_all(connection, mine, to, at=at, now=now, source=source, reason=reason, detail=detail) > 0


def move_all(
    connection: Connection,
    which: ColumnElement[bool],
    to: Status,
    *,
    at: int,
    now: int,
    source: str,
    reason: Reason | None = None,
    detail: str = "",
) -> int:
    """Move attempts, and each one's delivery when it is the latest attempt, where the lifecycle allows it.

    `at` is when it happened, `now` when we write, both in microseconds. How many attempts moved. An attempt that comes
    to its end lets the next one of its ordering key start.
    """
    columns = (attempt.c[name] for name in ("delivery_id", "number", "status", "webhook", "ordering_key"))
    query = select(*columns).where(which).order_by(attempt.c.delivery_id).with_for_update()
    moved = [row for row in connection.execute(query).all() if may_move(Status(row.status), to)]
    detail = to_text(detail, 2000)
    standing = {"status": to.value, "reason": reason.value if reason else None, "detail": detail, "updated_at": now}
    by_number: dict[int, list[str]] = defaultdict(list)
    for row in moved:
        by_number[row.number].append(row.delivery_id)
    for number, ids in by_number.items():
        for some in (ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE)):
            mine = attempt.c.delivery_id.in_(some) & (attempt.c.number == number)
            connection.execute(update(attempt).where(mine).values(status=to.value))
            latest = delivery.c.id.in_(some) & (delivery.c.attempt == number)
            connection.execute(update(delivery).where(latest).values(**standing))
    _CHANGES.insert(
        connection, [(row.delivery_id, row.number, at, row.status, to.value, source, detail) for row in moved]
    )
    if to not in UNFINISHED:
        ended = {(row.webhook, row.ordering_key) for row in moved if row.ordering_key and row.status in UNFINISHED}
        for line in sorted(ended):
            order.left(connection, line, now)
    return len(moved)
