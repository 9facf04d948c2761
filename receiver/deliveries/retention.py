"""What is deleted of old deliveries: first the body, then the whole row, in steps that hold up nobody's request.

What is unfinished or waits for a person (`held`) keeps everything. A body that is gone is empty where its size is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, tuple_, update

from receiver.deliveries import kept, purged_runs
from receiver.deliveries.distinct import each_webhook
from receiver.deliveries.ledger import Place
from receiver.deliveries.lifecycle import UNFINISHED, Status
from receiver.storage.tables import attempt, delivery, ledger, meta, payload, replay, reply, status_change
from receiver.storage.values import first_id, to_micros

AT_ONCE = 200
_EVENTS_AT_ONCE = 1000
_KEPT = sorted({*UNFINISHED, Status.HELD})
_WEBHOOKS = each_webhook("delivery")
_OF_A_DELIVERY = (status_change, reply, replay, attempt, payload)


def webhooks(connection: Connection) -> list[str]:
    """The keys of all webhooks that have deliveries, also of those that exist no more."""
    return list(connection.scalars(_WEBHOOKS))


def delete_bodies(connection: Connection, webhook: str, before: datetime) -> tuple[int, bool]:
    """Delete some bodies, and what was replied, of a webhook's deliveries that came before a moment.

    Their runs in Prefect are deleted soon after. How many, and whether there may be more. How far it has come is kept,
    so that nothing is looked at twice.
    """
    mark, came_to = _came_to(connection, webhook)
    query = select(delivery.c.id, delivery.c.status).where(
        delivery.c.webhook == webhook, delivery.c.id > (came_to or ""), delivery.c.id < first_id(before)
    )
    rows = connection.execute(query.order_by(delivery.c.id).limit(AT_ONCE)).all()
    if not rows:
        return 0, False
    ids = [row.id for row in rows if row.status not in _KEPT]
    purged_runs.enter(connection, ids)
    connection.execute(update(payload).where(payload.c.delivery_id.in_(ids)).values(body=b""))
    kept.let_go(connection, ids)
    edited = replay.c.delivery_id.in_(ids) & replay.c.body.is_not(None)
    connection.execute(update(replay).where(edited).values(body=b""))
    connection.execute(delete(reply).where(reply.c.delivery_id.in_(ids)))
    if came_to is None:
        connection.execute(insert(meta).values(name=mark, text=rows[-1].id, number=0))
    else:
        connection.execute(update(meta).where(meta.c.name == mark).values(text=rows[-1].id))
    return len(ids), len(rows) == AT_ONCE


def delete_rows(connection: Connection, webhook: str, before: datetime) -> tuple[int, bool]:
    """Delete some of a webhook's deliveries that came before a moment, with all that is kept of them.

    How many, and whether there may be more.
    """
    old = (delivery.c.webhook == webhook) & (delivery.c.id < first_id(before)) & delivery.c.status.not_in(_KEPT)
    ids = list(connection.scalars(select(delivery.c.id).where(old).order_by(delivery.c.id).limit(AT_ONCE)))
    kept.let_go(connection, ids)
    _, came_to = _came_to(connection, webhook)
    purged_runs.enter(connection, [each for each in ids if each > (came_to or "")])
    for table in _OF_A_DELIVERY:
        connection.execute(delete(table).where(table.c.delivery_id.in_(ids)))
    connection.execute(delete(delivery).where(delivery.c.id.in_(ids)))
    return len(ids), len(ids) == AT_ONCE


def _came_to(connection: Connection, webhook: str) -> tuple[str, str | None]:
    """The mark of how far a webhook's bodies are deleted: its name, and the last delivery's id."""
    mark = f"bodies deleted of {webhook}"
    return mark, connection.scalar(select(meta.c.text).where(meta.c.name == mark))


def expired_events(connection: Connection, after: Place | None, now: datetime) -> tuple[list[Place], Place | None]:
    """Of the next thousand events that are remembered those that need not be any more, and where to go on."""
    query = select(ledger.c.webhook, ledger.c.key, ledger.c.expires_at).order_by(ledger.c.webhook, ledger.c.key)
    if after is not None:
        query = query.where(tuple_(ledger.c.webhook, ledger.c.key) > tuple_(*after))
    rows = connection.execute(query.limit(_EVENTS_AT_ONCE)).all()
    places: list[Place] = [(row.webhook, bytes(row.key)) for row in rows]
    over = [place for place, row in zip(places, rows, strict=True) if row.expires_at <= to_micros(now)]
    return over, places[-1] if len(rows) == _EVENTS_AT_ONCE else None


def forget_events(connection: Connection, places: Sequence[Place], now: datetime) -> int:
    """Forget these events, but those that came again meanwhile; how many."""
    forgotten = 0
    for webhook, key in places:
        of = (ledger.c.webhook == webhook) & (ledger.c.key == key) & (ledger.c.expires_at <= to_micros(now))
        forgotten += connection.execute(delete(ledger).where(of)).rowcount
    return forgotten
