"""Replays: a new attempt of a stored request, on the same bytes or on an edited body, past de-duplication.

Which one may be replayed is the admin desk's to say; here a replay is bound to what the desk saw. The queue throttles:
an attempt is due when it is its turn, so nothing is lost by a restart, and what arrives meanwhile does not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from receiver.contract.reasons import Reason
from receiver.deliveries import another, kept
from receiver.deliveries.lifecycle import UNFINISHED, Status
from receiver.deliveries.priority import Priority
from receiver.deliveries.reads import conditions
from receiver.deliveries.records import Candidate, DeliveryFilter, NewReplay
from receiver.storage.tables import delivery
from receiver.storage.values import to_micros, to_text
from receiver.webhooks.audit import Action, By, enter
from receiver.webhooks.differences import Difference

SOURCE = "replay"
_CANDIDATE = select(
    *(delivery.c[name] for name in ("id", "webhook", "revision", "status", "reason", "attempt", "body_size"))
)


def candidate(connection: Connection, delivery_id: str) -> Candidate | None:
    """Where a delivery stands that somebody wants to replay; None when there is none."""
    row = connection.execute(_CANDIDATE.where(delivery.c.id == to_text(delivery_id, 100))).one_or_none()
    return None if row is None else _candidate(row)


def candidates(connection: Connection, which: DeliveryFilter, limit: int, after: str | None) -> list[Candidate]:
    """Deliveries of a filter, the oldest first, from the one behind `after`."""
    query = _CANDIDATE.where(*conditions(which), delivery.c.id > to_text(after or "", 100))
    return [_candidate(row) for row in connection.execute(query.order_by(delivery.c.id).limit(limit))]


def add(connection: Connection, replays: Sequence[NewReplay], by: By, now: int) -> list[int | None]:
    """Add an attempt for each replay: its number, None where the delivery is not as it was when it was looked at."""
    made = [_add(connection, new, now) for new in replays]
    _enter(connection, [new for new, one in zip(replays, made, strict=True) if one is not None], by, now)
    return made


def _enter(connection: Connection, made: Sequence[NewReplay], by: By, now: int) -> None:
    """One entry for all of them: each delivery tells by itself who asked for its attempts."""
    if len(made) == 1:
        (new,) = made
        changes = [Difference("attempt", new.after, new.after + 1), Difference("deployment", None, new.deployment)]
        changes += [Difference("body", None, "edited")] if new.body is not None else []
        enter(connection, by, Action.DELIVERY_REPLAY, new.delivery_id, now, changes=changes)
    elif made:
        ids = sorted(new.delivery_id for new in made)
        changes = [Difference("replayed", None, len(ids)), Difference("last", None, ids[-1])]
        enter(connection, by, Action.DELIVERY_REPLAY, ids[0], now, changes=changes)


def _add(connection: Connection, new: NewReplay, now: int) -> int | None:
    asked = (delivery.c[name] for name in ("webhook", "status", "attempt", "ordering_key"))
    query = select(*asked).where(delivery.c.id == new.delivery_id)
    found = connection.execute(query.with_for_update()).one_or_none()
    if found is None or found.attempt != new.after or Status(found.status) in UNFINISHED:
        return None
    number = new.after + 1
    columns: dict[str, Any] = {
        "webhook": found.webhook,
        "deployment": to_text(new.deployment, 500),
        "deployment_id": new.deployment_id,
        "flow_id": new.flow_id,
        "due_at": to_micros(new.due_at),
        "created_at": now,
        "ordering_key": found.ordering_key,
        "priority": Priority.REPLAY.value,
    }
    actor, edited = to_text(new.actor, 200), new.body is not None
    differs = {
        "revision": new.revision,
        "actor": actor,
        "content_type": to_text(new.content_type, 300) if edited else None,
        "body": new.body,
    }
    another.add(
        connection,
        new.delivery_id,
        number,
        columns=columns,
        differs=differs,
        before=found.status,
        at=now,
        now=now,
        source=SOURCE,
        detail=f"by {actor}, with an edited body" if edited else f"by {actor}",
    )
    if new.body_at is not None:
        kept.enter(connection, [(new.delivery_id, number, new.body_at)])
    return number


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(
        id=row.id,
        webhook=row.webhook,
        revision=row.revision,
        status=Status(row.status),
        reason=Reason(row.reason) if row.reason else None,
        attempt=row.attempt,
        body_size=row.body_size,
    )
