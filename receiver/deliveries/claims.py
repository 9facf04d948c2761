"""The queue: attempts that wait for their hand-over to Prefect, leased to one process at a time.

A lease is the attempt's next due time: whoever dies with it leaves it due again. `tries` grows with each lease and
tells an outdated one. Attempts of a paused webhook are parked, so that the queue never has to look past them; those
whose turn has not come wait in line (`order.py`), and some share a run (`batches.py`). Who goes first is said by
`priority.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, case, func, select, text, update

from receiver.contract.reasons import Reason
from receiver.deliveries import batches, order
from receiver.deliveries.distinct import each_webhook
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.moves import IDLE, LATEST, move, move_all
from receiver.deliveries.priority import Due, Priority, by_age, by_class
from receiver.deliveries.records import Claim
from receiver.deliveries.views import Backlog
from receiver.storage.tables import GATHERED, attempt, delivery, replay, webhook
from receiver.storage.values import from_micros, maybe_from_micros, to_text

_WINDOW = 200
_MANY_RUNS = 5
_ROUNDS = 50
_UNPARKED_AT_ONCE = 1000
_REVIVED_AT_ONCE = 500

_REVISION = func.coalesce(replay.c.revision, delivery.c.revision).label("revision")
_DUE = (
    select(attempt, _REVISION, delivery.c.received_at)
    .join(delivery, delivery.c.id == attempt.c.delivery_id)
    .outerjoin(replay, (replay.c.delivery_id == attempt.c.delivery_id) & (replay.c.attempt == attempt.c.number))
    .where(attempt.c.priority == bindparam("class_"), attempt.c.due_at.between(bindparam("since"), bindparam("till")))
    .order_by(attempt.c.due_at)
    .limit(bindparam("window"))
    .with_for_update(of=attempt, skip_locked=True)
)
_OLDEST = select(
    *(
        select(attempt.c.due_at)
        .where(attempt.c.priority == priority.value, attempt.c.due_at.is_not(None))
        .order_by(attempt.c.due_at)
        .limit(1)
        .scalar_subquery()
        for priority in Priority
    )
)
_UNSTARTED = select(delivery.c.id).where(delivery.c.status == Status.DISPATCHED.value)
_ARE_MANY = _UNSTARTED.order_by(delivery.c.id).offset(_MANY_RUNS - 1).limit(1)
_PAUSED = select(webhook.c.key).where(webhook.c.state == "paused")
_ONE = and_(attempt.c.delivery_id == bindparam("of_delivery"), attempt.c.number == bindparam("of_number"))
_LEASE = (
    update(attempt)
    .where(_ONE)
    .values(due_at=bindparam("until"), lease_owner=bindparam("by"), tries=attempt.c.tries + 1)
)
_PARK = update(attempt).where(_ONE).values(parked_due_at=attempt.c.due_at, due_at=None, lease_owner=None)
_UNPARK = update(attempt).where(_ONE).values(due_at=attempt.c.parked_due_at, parked_due_at=None)
_PARKED_WEBHOOKS = each_webhook("attempt", "parked_due_at IS NOT NULL")


def claim(
    connection: Connection, *, limit: int, until: int, now: int, owner: str, of_the_oldest: int = 0
) -> list[Claim]:
    """Lease due attempts until `until`: by their class, then the longest due first; `of_the_oldest` places of `limit`
    by age alone. Moments in microseconds.
    """
    paused = set(connection.scalars(_PAUSED))
    _unpark(connection, paused)
    for group in batches.full(connection, paused, limit):
        batches.form(connection, group, now)
    first = oldest(connection)
    lease = {"until": until, "by": to_text(owner, 200)}
    claims: list[Claim] = []
    # The older ones first: what is left of their places, when there are no more of them, goes by class.
    for places, turns in ((of_the_oldest, by_age(first, now)), (limit, by_class(first, now))):
        for due in turns:
            if len(claims) >= places:
                break
            claims += _claim_some(connection, due, places - len(claims), paused, lease, now)
    return claims


def oldest(connection: Connection) -> dict[Priority, int]:
    """When the first attempt of each class that has any is due: one look-up in the index for each."""
    found = connection.execute(_OLDEST).one()
    return {priority: due_at for priority, due_at in zip(Priority, found, strict=True) if due_at is not None}


def _claim_some(
    connection: Connection, due: Due, limit: int, paused: set[str], lease: Mapping[str, Any], now: int
) -> list[Claim]:
    claims: list[Claim] = []
    bounds = {"class_": due.priority.value, "since": due.since, "till": due.until}
    for _ in range(_ROUNDS):
        window = max(limit, _WINDOW) if paused else limit - len(claims)
        rows = connection.execute(_DUE, {**bounds, "window": window}).all()
        # A formed batch goes on though its webhook was paused meanwhile: its run may exist already.
        parked = [row for row in rows if row.webhook in paused and row.batch_id is None]
        ready = [row for row in rows if row.webhook not in paused or row.batch_id is not None]
        if parked:
            connection.execute(_PARK, [_named(row.delivery_id, row.number) for row in parked])
        leased = _in_turn(connection, ready, now)[: limit - len(claims)]
        if leased:
            connection.execute(_LEASE, [{**_named(row.delivery_id, row.number), **lease} for row in leased])
        overtakes = bool(leased) and due.priority is Priority.SYNC and connection.execute(_ARE_MANY).first() is not None
        claims += [_claim(connection, row, overtakes) for row in leased]
        if len(claims) >= limit or (len(rows) < window and not any(map(_gathers, rows))):
            break
    return claims


def _in_turn(connection: Connection, due: Sequence[Row[Any]], now: int) -> list[Row[Any]]:
    """Of what is due, what may be handed over now. What may share a run is gathered first and is due in its batch."""
    for group in {batches.group_of(row) for row in due if _gathers(row)}:
        batches.form(connection, group, now)
    own = [row for row in due if not _gathers(row)]
    fresh = [row for row in own if row.tries == 0 and row.batch_id is None]
    in_line = {row.delivery_id for row in fresh} - {
        row.delivery_id for row in order.admit(connection, fresh, together=False, now=now)
    }
    return [row for row in own if row.delivery_id not in in_line]


def _gathers(row: Row[Any]) -> bool:
    return row.batch_size is not None and row.batch_id is None


def _claim(connection: Connection, row: Row[Any], overtakes: bool) -> Claim:
    return Claim(
        delivery_id=row.delivery_id,
        attempt=row.number,
        webhook=row.webhook,
        revision=row.revision,
        deployment=row.deployment,
        deployment_id=row.deployment_id,
        flow_id=row.flow_id,
        tries=row.tries + 1,
        due_at=from_micros(row.due_at),
        received_at=from_micros(row.received_at),
        overtakes=overtakes,
        batch_id=row.batch_id,
        members=batches.members_of(connection, row.batch_id) if row.batch_id else ((row.delivery_id, row.number),),
    )


def bind(connection: Connection, claimed: Claim, deployment_id: str, flow_id: str) -> None:
    """Store which deployment and flow every hand-over of this attempt is for; what is stored already stays."""
    unbound = attempt.c.deployment_id.is_(None)
    connection.execute(
        update(attempt).where(_all_of(claimed), unbound).values(deployment_id=deployment_id, flow_id=flow_id)
    )


def handed_over(connection: Connection, claimed: Claim, flow_run_id: str, now: int) -> None:
    """The attempt has its run in Prefect, whoever holds the lease now."""
    query = select(attempt.c.flow_run_id).where(_of(claimed)).with_for_update()
    if connection.execute(query).scalar_one() is not None:
        return
    waited = case((attempt.c.created_at < now, (now - attempt.c.created_at) / 1000.0), else_=0.0)
    run = {"flow_run_id": flow_run_id, "handed_over_at": now, "queue_ms": waited, "detail": ""}
    connection.execute(update(attempt).where(_all_of(claimed)).values(**IDLE, **run))
    move_all(connection, _all_of(claimed), Status.DISPATCHED, at=now, now=now, source="dispatcher")


def retry_later(connection: Connection, claimed: Claim, due_at: int, detail: str) -> None:
    """Give the lease back until `due_at`; nothing happens when another has taken it up meanwhile."""
    values = {"due_at": due_at, "lease_owner": None, "detail": to_text(detail, 2000)}
    connection.execute(update(attempt).where(_holding(claimed)).values(**values))


def give_up(connection: Connection, claimed: Claim, reason: Reason, detail: str, now: int) -> None:
    """The delivery is dead: it cannot be handed over. Nothing happens when another has taken it up meanwhile."""
    ended = connection.execute(update(attempt).where(_holding(claimed)).values(**IDLE, detail=to_text(detail, 2000)))
    if ended.rowcount:
        where = (connection, _all_of(claimed))
        move_all(*where, Status.DEAD, at=now, now=now, source="dispatcher", reason=reason, detail=detail)


def release(connection: Connection, owner: str | None, now: int) -> None:
    """Make everything due again that this process has leased; with None what any process has."""
    leased = attempt.c.lease_owner.is_not(None) & attempt.c.due_at.is_not(None)
    if owner is not None:
        leased &= attempt.c.lease_owner == to_text(owner, 200)
    connection.execute(update(attempt).where(leased).values(due_at=now, lease_owner=None))


def missing_deployments(connection: Connection) -> list[str]:
    """The deployments for want of which deliveries are dead."""
    query = select(attempt.c.deployment).distinct().order_by(attempt.c.deployment)
    return list(connection.scalars(_latest_dead(query, Reason.DEPLOYMENT_MISSING)))


def revive(
    connection: Connection, *, reason: Reason, deployment: str | None, of_webhook: str | None, now: int
) -> tuple[int, bool]:
    """Queue some dead deliveries again; how many, and whether there may be more.

    They are bound anew, since the deployment they were bound to is the one that went missing. A run that was created
    all the same is found by its idempotency key.
    """
    query = _latest_dead(select(attempt.c.delivery_id, attempt.c.number, attempt.c.batch_id), reason)
    if deployment is not None:
        query = query.where(attempt.c.deployment == to_text(deployment, 500))
    if of_webhook is not None:
        query = query.where(delivery.c.webhook == of_webhook)
    query = query.order_by(delivery.c.id).limit(_REVIVED_AT_ONCE).with_for_update(of=attempt, skip_locked=True)
    rows = connection.execute(query).all()
    fresh = {"deployment_id": None, "flow_id": None, "detail": ""}
    for row in rows:
        mine = (attempt.c.delivery_id == row.delivery_id) & (attempt.c.number == row.number)
        due = now if row.batch_id in {None, batches.batch_id(row)} else None
        tries = 0 if row.batch_id is None else 1  # as formed: what has the same ordering key waits for it
        connection.execute(update(attempt).where(mine).values(**fresh, due_at=due, tries=tries))
        move(connection, row.delivery_id, row.number, Status.QUEUED, at=now, now=now, source="revival")
    return len(rows), len(rows) == _REVIVED_AT_ONCE


def backlog(connection: Connection, now: int) -> Backlog:
    """What is not handed over yet."""
    due, leased = attempt.c.due_at, attempt.c.lease_owner.is_not(None)
    waiting = due <= now
    counts = connection.execute(
        select(
            func.count().filter(waiting).label("waiting"),
            func.count().filter(due > now, leased).label("leased"),
            func.count().filter(due > now, ~leased).label("later"),
            func.min(due).filter(waiting).label("oldest"),
            func.min(due).label("next"),
        ).where(due.is_not(None))
    ).one()
    parked = select(func.count()).select_from(attempt).where(attempt.c.parked_due_at.is_not(None))
    return Backlog(
        waiting=counts.waiting,
        later=counts.later,
        leased=counts.leased,
        parked=connection.execute(parked).scalar_one(),
        oldest_due_at=maybe_from_micros(counts.oldest),
        next_due_at=maybe_from_micros(counts.next),
    )


def _unpark(connection: Connection, paused: set[str]) -> None:
    """Put attempts back into the queue whose webhooks are not paused any more, some at a time."""
    for key in connection.scalars(_PARKED_WEBHOOKS).all():
        if key not in paused:
            parked = (attempt.c.webhook == key) & attempt.c.parked_due_at.is_not(None)
            query = select(attempt.c.delivery_id, attempt.c.number).where(parked).order_by(attempt.c.parked_due_at)
            rows = connection.execute(query.limit(_UNPARKED_AT_ONCE).with_for_update(skip_locked=True)).all()
            if rows:
                connection.execute(_UNPARK, [_named(*row) for row in rows])


def _latest_dead(query: Select[Any], reason: Reason) -> Select[Any]:
    dead = and_(delivery.c.status == Status.DEAD.value, delivery.c.reason == reason.value)
    return query.join(delivery, LATEST).where(dead)


def _named(delivery_id: str, number: int) -> dict[str, str | int]:
    return {"of_delivery": delivery_id, "of_number": number}


def _of(claimed: Claim) -> ColumnElement[bool]:
    return and_(attempt.c.delivery_id == claimed.delivery_id, attempt.c.number == claimed.attempt)


def _all_of(claimed: Claim) -> ColumnElement[bool]:
    """Every attempt that the claim's run is for."""
    if claimed.batch_id is None:
        return _of(claimed)
    return and_(text(f"attempt.{GATHERED}"), attempt.c.batch_id == claimed.batch_id)


def _holding(claimed: Claim) -> ColumnElement[bool]:
    return and_(_of(claimed), attempt.c.tries == claimed.tries, attempt.c.due_at.is_not(None))
