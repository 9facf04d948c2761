"""Batches: many attempts of a webhook share one run.

An attempt that may share one is due when its time to wait for others is over; until then it is taken along by any batch
of its webhook. A batch, once formed, stays as it is, so that every hand-over of it means the same run: its members have
its `batch_id`, `<delivery>:<attempt>` of the first of them, which alone is due for all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, text, update

from receiver.deliveries import order
from receiver.storage.tables import GATHERED, GATHERING, attempt

_ROUNDS = 20
_MOST = 1000

_OF_GROUP = (attempt.c.webhook == bindparam("of_webhook")) & text(f"attempt.{GATHERING}")
_GATHERED = (
    select(attempt)
    .where(_OF_GROUP, attempt.c.deployment == bindparam("of_deployment"))
    .order_by(attempt.c.created_at, attempt.c.delivery_id)
    .limit(bindparam("many"))
    .with_for_update(skip_locked=True)
)
_NEXT_WEBHOOK = select(func.min(attempt.c.webhook)).where(
    attempt.c.webhook > bindparam("after"), text(f"attempt.{GATHERING}")
)
_OLDEST = (
    select(attempt.c.deployment, attempt.c.batch_size)
    .where(_OF_GROUP)
    .order_by(attempt.c.created_at, attempt.c.delivery_id)
    .limit(1)
)
_FIRST_FEW = select(attempt.c.delivery_id).where(_OF_GROUP).limit(bindparam("many")).subquery()
_COUNT = select(func.count()).select_from(_FIRST_FEW)
_MEMBER = (attempt.c.delivery_id == bindparam("of_delivery")) & (attempt.c.number == bindparam("of_number"))
_JOIN = update(attempt).where(_MEMBER).values(batch_id=bindparam("batch"), due_at=bindparam("at"), tries=1)


@dataclass(frozen=True)
class Group:
    """What may share a run: a webhook's attempts for one deployment, so many at most."""

    webhook: str
    deployment: str
    size: int


def group_of(row: Row[Any]) -> Group:
    """The group of an attempt that may share a run."""
    return Group(row.webhook, row.deployment, row.batch_size)


def full(connection: Connection, but: Iterable[str], most: int) -> list[Group]:
    """A group for each batch that is full and need not wait any longer: `most` at most, none of the webhooks `but`."""
    groups: list[Group] = []
    webhook = ""
    # One look-up in the index for each webhook, however many attempts there are.
    while (webhook := connection.execute(_NEXT_WEBHOOK, {"after": webhook}).scalar_one()) is not None:
        if webhook in but:
            continue
        oldest = connection.execute(_OLDEST, {"of_webhook": webhook}).first()
        if oldest is None:
            continue
        size = min(oldest.batch_size, _MOST)
        there = connection.execute(_COUNT, {"of_webhook": webhook, "many": size * most}).scalar_one()
        groups += [Group(webhook, oldest.deployment, size)] * (there // size)
    return groups[:most]


def form(connection: Connection, group: Group, now: int) -> bool:
    """Form a batch of a group's attempts, in the order of their arrival, due now. Whether there is one.

    Attempts whose ordering key is under way are passed over for later ones. What is left and fills no batch waits, as
    any few do, until one of them is due: else each hole in the queue would be a run of its own.
    """
    size = min(group.size, _MOST)
    asked = {"of_webhook": group.webhook, "of_deployment": group.deployment, "many": size}
    members: list[Row[Any]] = []
    for _ in range(_ROUNDS):
        rows = connection.execute(_GATHERED, asked).all()
        members = order.admit(connection, rows, together=True, now=now)
        if len(members) == len(rows):
            break
    if len(members) < size and not any(row.due_at <= now for row in members):
        return False
    batch = batch_id(members[0])
    first, *others = [{"of_delivery": row.delivery_id, "of_number": row.number} for row in members]
    joined = [{**first, "at": now}, *({**other, "at": None} for other in others)]
    connection.execute(_JOIN, [{**member, "batch": batch} for member in joined])
    return True


def batch_id(first: Row[Any]) -> str:
    """The name of the batch whose first member this is."""
    return f"{first.delivery_id}:{first.number}"


def members_of(connection: Connection, batch: str) -> tuple[tuple[str, int], ...]:
    """The attempts of a batch by delivery and number, in the order of their arrival."""
    query = select(attempt.c.delivery_id, attempt.c.number).where(text(f"attempt.{GATHERED}"))
    query = query.where(attempt.c.batch_id == batch)
    rows = connection.execute(query.order_by(attempt.c.created_at, attempt.c.delivery_id))
    return tuple((row.delivery_id, row.number) for row in rows)
