"""How the webhooks fare: counted by the database over a bounded time, whatever was stored before it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from sqlalchemy import ColumnElement, Connection, RowMapping, case, func, select

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.moves import LATEST
from receiver.deliveries.reads import conditions
from receiver.deliveries.records import DeliveryFilter
from receiver.deliveries.views import Backlog
from receiver.storage.tables import attempt, delivery, refusal_count, webhook
from receiver.storage.values import from_micros, maybe_from_micros, to_micros, to_text

HOURS = 24
"""How many hours are told one by one: the last ones."""

MOST_WEBHOOKS = 200
"""Told at once; past it those with the fewest deliveries are left out."""

MOST_TIMES = 500
"""The latest deliveries of a webhook of which the times are taken."""

TROUBLE = frozenset({Status.REJECTED, Status.HELD, Status.FAILED, Status.CRASHED, Status.DEAD})
"""What somebody has to look at."""

_HOUR = 3_600_000_000
_MINUTE = 60_000_000
_EARLIER = -1
_STAGES = ("queue", "start", "run")
_NO_BACKLOG = Backlog(waiting=0, later=0, leased=0, parked=0, oldest_due_at=None, next_due_at=None)


@dataclass(frozen=True, kw_only=True)
class Hour:
    """The deliveries received in the hour that begins at `at`; `trouble` of them are rejected, held, failed, ..."""

    at: datetime
    total: int
    trouble: int


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Milliseconds that half of the deliveries, and 19 of 20, did not exceed."""

    p50: float
    p95: float


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many deliveries came, in all, by status, by reason, and in each of the last hours, the earliest first."""

    total: int
    by_status: Mapping[Status, int]
    by_reason: Mapping[Reason, int]
    hours: tuple[Hour, ...]


@dataclass(frozen=True, kw_only=True)
class WebhookStats:
    """A webhook's deliveries in the time asked for. `state` is None when its definition is gone.

    `refused` counts what was refused, stored or not, in the last day at most. `times` has `queue`, `start` and `run`
    where any delivery came that far, of the latest attempts of the latest 500 deliveries. `backlog` is what waits now.
    """

    webhook: str
    state: str | None
    counts: Counts
    refused: int
    times: Mapping[str, Spread]
    backlog: Backlog


def collect(connection: Connection, since: datetime, now: datetime, of_webhook: str | None) -> list[WebhookStats]:
    """What each webhook took from `since` to `now`, also those that took nothing, and what waits; by key."""
    which = conditions(DeliveryFilter(webhook=of_webhook, since=since, until=now))
    states = _states(connection, of_webhook)
    counts = _counts(connection, which, now)
    backlogs = _backlogs(connection, of_webhook, to_micros(now))
    refused = _refused(connection, since, of_webhook)
    nothing = _summed([], _hours_until(now))
    by_number = sorted({*states, *counts, *backlogs}, key=lambda key: (-counts.get(key, nothing).total, key))
    return [
        WebhookStats(
            webhook=key,
            state=states.get(key),
            counts=counts.get(key, nothing),
            refused=refused.get(key, 0),
            times=times(connection, which, key) if key in counts else {},
            backlog=backlogs.get(key, _NO_BACKLOG),
        )
        for key in sorted(by_number[:MOST_WEBHOOKS])
    ]


def _states(connection: Connection, of_webhook: str | None) -> dict[str, str]:
    query = select(webhook.c.key, webhook.c.state)
    if of_webhook is not None:
        query = query.where(webhook.c.key == to_text(of_webhook, 500))
    return {row.key: row.state for row in connection.execute(query)}


def _counts(connection: Connection, which: list[ColumnElement[bool]], now: datetime) -> dict[str, Counts]:
    hours = _hours_until(now)
    came_at = delivery.c.received_at
    hour = case((came_at < hours.start * _HOUR, _EARLIER), else_=came_at // _HOUR).label("hour")
    columns = (delivery.c.webhook, delivery.c.status, delivery.c.reason, hour)
    query = select(*columns, func.count().label("number")).where(*which).group_by(*columns)
    by_webhook: dict[str, list[RowMapping]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        by_webhook[row["webhook"]].append(row)
    return {key: _summed(rows, hours) for key, rows in by_webhook.items()}


def _hours_until(now: datetime) -> range:
    last = to_micros(now) // _HOUR
    return range(last - HOURS + 1, last + 1)


def _summed(rows: Sequence[RowMapping], hours: range) -> Counts:
    by_status, by_reason = Counter[Status](), Counter[Reason]()
    of_hour, trouble = Counter[int](), Counter[int]()
    for row in rows:
        status = Status(row["status"])
        by_status[status] += row["number"]
        if row["reason"]:
            by_reason[Reason(row["reason"])] += row["number"]
        of_hour[row["hour"]] += row["number"]
        if status in TROUBLE:
            trouble[row["hour"]] += row["number"]
    return Counts(
        total=by_status.total(),
        by_status=by_status,
        by_reason=by_reason,
        hours=tuple(Hour(at=from_micros(at * _HOUR), total=of_hour[at], trouble=trouble[at]) for at in hours),
    )


def times(connection: Connection, which: Sequence[ColumnElement[bool]], key: str) -> dict[str, Spread]:
    """How long the latest deliveries of a webhook took, by stage; a stage that none came to is left out."""
    # The latest ones stand for all: to rank a day's deliveries in SQL takes the database seconds.
    columns = [attempt.c[f"{stage}_ms"] for stage in _STAGES]
    query = select(*columns).select_from(delivery).join(attempt, LATEST).where(delivery.c.webhook == key, *which)
    rows = connection.execute(query.order_by(delivery.c.id.desc()).limit(MOST_TIMES)).mappings().all()
    by_stage = {stage: [row[f"{stage}_ms"] for row in rows if row[f"{stage}_ms"] is not None] for stage in _STAGES}
    return {stage: spread_of(taken) for stage, taken in by_stage.items() if taken}


def spread_of(times: Sequence[float]) -> Spread:
    """The spread of one or more times."""
    ranked = sorted(times)
    p50, p95 = (ranked[ceil(share * len(ranked)) - 1] for share in (0.5, 0.95))
    return Spread(p50=p50, p95=p95)


def _backlogs(connection: Connection, of_webhook: str | None, now: int) -> dict[str, Backlog]:
    due, parked, leased = attempt.c.due_at, attempt.c.parked_due_at, attempt.c.lease_owner.is_not(None)
    oldest = func.min(case((due <= now, due), else_=parked))
    columns = (
        func.count().filter(due <= now).label("waiting"),
        func.count().filter(due > now, leased).label("leased"),
        func.count().filter(due > now, ~leased).label("later"),
        func.count().filter(parked.is_not(None)).label("parked"),
        oldest.label("oldest"),
        func.min(due).label("next"),
    )
    query = select(attempt.c.webhook, *columns).where(due.is_not(None) | parked.is_not(None))
    if of_webhook is not None:
        query = query.where(attempt.c.webhook == to_text(of_webhook, 500))
    return {
        row.webhook: Backlog(
            waiting=row.waiting,
            later=row.later,
            leased=row.leased,
            parked=row.parked,
            oldest_due_at=maybe_from_micros(row.oldest),
            next_due_at=maybe_from_micros(row.next),
        )
        for row in connection.execute(query.group_by(attempt.c.webhook))
    }


def _refused(connection: Connection, since: datetime, of_webhook: str | None) -> dict[str, int]:
    refused = func.sum(refusal_count.c.count).label("number")
    query = select(refusal_count.c.webhook, refused).where(refusal_count.c.minute >= to_micros(since) // _MINUTE)
    if of_webhook is not None:
        query = query.where(refusal_count.c.webhook == to_text(of_webhook, 500))
    return {row.webhook: int(row.number) for row in connection.execute(query.group_by(refusal_count.c.webhook))}
