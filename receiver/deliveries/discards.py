"""What waits and is not to run any more: discarded by a person, `cancelled` with that reason.

Only what no process has in hand: a leased attempt may be on its way to Prefect.
"""

from __future__ import annotations

from enum import Enum, auto

from sqlalchemy import ColumnElement, Connection, insert, select, update

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.moves import IDLE, LATEST, move
from receiver.storage.tables import attempt, delivery, status_change, webhook
from receiver.storage.values import to_text
from receiver.webhooks.audit import Action, By, enter
from receiver.webhooks.differences import Difference

SOURCE = "discard"
AT_ONCE = 200


class Discarded(Enum):
    """What became of a delivery that somebody wanted to discard."""

    DONE = auto()
    UNKNOWN = auto()
    NOT_PAUSED = auto()
    """It waits, but its webhook is not paused: it may be handed over at any moment."""
    UNDER_WAY = auto()
    """Its hand-over has begun, or it has a run."""
    NOT_WAITING = auto()
    """It does not wait for anything."""


def waiting(connection: Connection, *, key: str, by: By, after: str, now: int) -> tuple[int, str | None]:
    """Discard some of what waits at a paused webhook since before `now`, by id from the one behind `after`.

    How many, and where to go on; None at the end, also when the webhook is not paused any more.
    """
    if not _is_paused(connection, key):
        return 0, None
    query = (
        select(attempt.c.delivery_id, attempt.c.number)
        .select_from(delivery)
        .join(attempt, LATEST)
        .where(delivery.c.webhook == to_text(key, 500), delivery.c.status == Status.QUEUED.value)
        .where(delivery.c.id > after, attempt.c.created_at <= now, _free(now))
        .order_by(delivery.c.id)
        .limit(AT_ONCE)
        .with_for_update(of=attempt, skip_locked=True)
    )
    rows = connection.execute(query).all()
    for row in rows:
        _discard_attempt(connection, row.delivery_id, row.number, by.name, now)
    if rows:
        enter(connection, by, Action.DELIVERY_DISCARD, key, now, changes=[Difference("discarded", None, len(rows))])
    return len(rows), rows[-1].delivery_id if len(rows) == AT_ONCE else None


def one(connection: Connection, delivery_id: str, by: By, now: int) -> Discarded:
    """Discard one delivery that is held, or waits at a paused webhook."""
    query = select(delivery.c.id, delivery.c.webhook, delivery.c.status, delivery.c.attempt)
    found = connection.execute(query.where(delivery.c.id == to_text(delivery_id, 100)).with_for_update()).one_or_none()
    if found is None:
        return Discarded.UNKNOWN
    match Status(found.status):
        case Status.HELD:
            _discard_held(connection, found.id, found.attempt, by.name, now)
        case Status.QUEUED:
            if not _is_paused(connection, found.webhook):
                return Discarded.NOT_PAUSED
            mine = (attempt.c.delivery_id == found.id) & (attempt.c.number == found.attempt)
            free = select(attempt.c.number).where(mine, _free(now)).with_for_update()
            if connection.execute(free).one_or_none() is None:
                return Discarded.UNDER_WAY
            _discard_attempt(connection, found.id, found.attempt, by.name, now)
        case Status.DISPATCHED | Status.RUNNING:
            return Discarded.UNDER_WAY
        case _:
            return Discarded.NOT_WAITING
    moved = Difference("status", found.status, Status.CANCELLED.value)
    enter(connection, by, Action.DELIVERY_DISCARD, found.id, now, changes=[moved])
    return Discarded.DONE


def _is_paused(connection: Connection, key: str) -> bool:
    state = select(webhook.c.state).where(webhook.c.key == to_text(key, 500))
    return connection.execute(state).scalar_one_or_none() == "paused"


def _free(now: int) -> ColumnElement[bool]:
    """Whether no process has the attempt in hand: never leased, given back, or its lease has run out; in no batch."""
    return attempt.c.batch_id.is_(None) & (attempt.c.lease_owner.is_(None) | (attempt.c.due_at <= now))


def _discard_attempt(connection: Connection, delivery_id: str, number: int, actor: str, now: int) -> None:
    mine = (attempt.c.delivery_id == delivery_id) & (attempt.c.number == number)
    connection.execute(update(attempt).where(mine).values(**IDLE))
    where = (connection, delivery_id, number)
    move(*where, Status.CANCELLED, at=now, now=now, source=SOURCE, reason=Reason.DISCARDED, detail=_by(actor))


def _discard_held(connection: Connection, delivery_id: str, number: int, actor: str, now: int) -> None:
    """A held delivery has no attempt to move: the change is the delivery's own."""
    detail = _by(actor)
    standing = {"status": Status.CANCELLED.value, "reason": Reason.DISCARDED.value, "detail": detail}
    connection.execute(update(delivery).where(delivery.c.id == delivery_id).values(**standing, updated_at=now))
    change = {"delivery_id": delivery_id, "attempt": number, "at": now, "source": SOURCE, "detail": detail}
    moved = {"from_status": Status.HELD.value, "to_status": Status.CANCELLED.value}
    connection.execute(insert(status_change), [{**change, **moved}])


def _by(actor: str) -> str:
    return f"by {to_text(actor, 200)}"
