"""Another attempt of a stored delivery, whoever asked for it: it is queued anew and stands by that attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, update

from receiver.deliveries.lifecycle import Status
from receiver.storage.tables import attempt, delivery, replay, status_change


def add(
    connection: Connection,
    delivery_id: str,
    number: int,
    *,
    columns: Mapping[str, Any],
    differs: Mapping[str, Any],
    before: str,
    at: int,
    now: int,
    source: str,
    detail: str,
) -> None:
    """Add attempt `number` to a delivery that had the status `before`, and record the change, in microseconds.

    `columns` are those of `attempt`, `differs` those of `replay`, without what names and queues it.
    """
    queued = Status.QUEUED.value
    identity = {"delivery_id": delivery_id, "attempt": number}
    connection.execute(insert(attempt), [{**columns, "delivery_id": delivery_id, "number": number, "status": queued}])
    connection.execute(insert(replay), [{**differs, **identity}])
    standing = {"status": queued, "reason": None, "detail": "", "attempt": number, "updated_at": now}
    connection.execute(update(delivery).where(delivery.c.id == delivery_id).values(**standing))
    moved = {"from_status": before, "to_status": queued, "at": at, "source": source, "detail": detail}
    connection.execute(insert(status_change), [{**identity, **moved}])
