"""What warnings are judged by, read by short looks into indexes, however much is stored.

Refused requests are no traffic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from receiver.contract.reasons import Reason
from receiver.deliveries import claims
from receiver.deliveries.lifecycle import Status
from receiver.storage.tables import delivery, webhook
from receiver.storage.values import first_id, from_micros, maybe_from_micros, to_micros

ANSWERS = 50
"""The latest of a webhook that are looked at."""
_SCANNED = 1000
_MOST_IN_AN_HOUR = 5000
_MOST_TROUBLED = 20_000
_REFUSED = Status.REJECTED.value


@dataclass(frozen=True, kw_only=True)
class AnsweredRequest:
    """A request and the status of its answer; None where the sender hung up. `verified`: it was not refused."""

    at: datetime
    status: int | None
    reason: Reason | None
    address: str
    verified: bool


def latest_ids(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """The id of each webhook's latest request, those without any left out."""
    last = select(func.max(delivery.c.id)).where(delivery.c.webhook == webhook.c.key).scalar_subquery()
    rows = connection.execute(select(webhook.c.key, last.label("last")).where(last.is_not(None))).all()
    wanted = set(keys)
    return {row.key: row.last for row in rows if row.key in wanted}


def answers(connection: Connection, key: str) -> list[AnsweredRequest]:
    """The latest requests of a webhook and our answers, newest first; the parts of a split one are none."""
    columns = [delivery.c[name] for name in ("received_at", "response_status", "reason", "client_ip", "status")]
    query = select(*columns).where(_of(key), delivery.c.parent_id.is_(None)).order_by(delivery.c.id.desc())
    return [
        AnsweredRequest(
            at=from_micros(row.received_at),
            status=row.response_status,
            reason=Reason(row.reason) if row.reason else None,
            address=row.client_ip,
            verified=row.status != _REFUSED,
        )
        for row in connection.execute(query.limit(ANSWERS))
    ]


def last_traffic(connection: Connection, key: str) -> datetime | None:
    """When the last request came that was not refused; None where there was none, or only refused ones for long."""
    some = _first(_of(key), _SCANNED, delivery.c.id.desc())
    query = select(func.max(some.c.received_at)).where(some.c.status != _REFUSED)
    return maybe_from_micros(connection.execute(query).scalar_one_or_none())


def first_traffic(connection: Connection, key: str) -> datetime | None:
    """When the first request came that is kept."""
    query = select(delivery.c.received_at).where(_of(key)).order_by(delivery.c.id).limit(1)
    return maybe_from_micros(connection.execute(query).scalar_one_or_none())


def traffic(connection: Connection, key: str, since: datetime, until: datetime, most: int) -> int:
    """How many requests came between two moments, up to `most`."""
    within = and_(_of(key), delivery.c.id >= first_id(since), delivery.c.id < first_id(until))
    some = _first(within, _SCANNED, delivery.c.id)
    wanted = select(some.c.id).where(some.c.status != _REFUSED).limit(most).subquery()
    return connection.execute(select(func.count()).select_from(wanted)).scalar_one()


def answered_since(connection: Connection, key: str, since: datetime) -> tuple[int, int]:
    """How many requests came since, and how many of them were not answered 2xx; of the latest 5,000."""
    within = and_(_of(key), delivery.c.id >= first_id(since), delivery.c.parent_id.is_(None))
    some = _first(within, _MOST_IN_AN_HOUR, delivery.c.id.desc())
    good = some.c.response_status.between(200, 299)
    counts = select(func.count().label("total"), func.count().filter(good).label("good")).select_from(some)
    row = connection.execute(counts).one()
    return row.total, row.total - row.good


def troubled_since(connection: Connection, since: datetime) -> dict[str, tuple[int, int]]:
    """Held and dead deliveries of those that came since, by webhook, counted up to a bound."""
    found: dict[str, tuple[int, int]] = {}
    for place, status in enumerate((Status.HELD, Status.DEAD)):
        these = and_(delivery.c.status == status.value, delivery.c.id >= first_id(since))
        some = select(delivery.c.webhook).where(these).limit(_MOST_TROUBLED).subquery()
        query = select(some.c.webhook, func.count().label("number")).group_by(some.c.webhook)
        for row in connection.execute(query):
            both = list(found.get(row.webhook, (0, 0)))
            both[place] = row.number
            found[row.webhook] = (both[0], both[1])
    return found


def oldest_due(connection: Connection, now: datetime) -> datetime | None:
    """Since when the first is due of what waits for its hand-over and is in nobody's hands."""
    first = min(claims.oldest(connection).values(), default=None)
    return None if first is None or first > to_micros(now) else from_micros(first)


def _of(key: str) -> ColumnElement[bool]:
    return delivery.c.webhook == key


def _first(which: ColumnElement[bool], most: int, order: Any) -> Any:
    columns = (delivery.c.id, delivery.c.status, delivery.c.received_at, delivery.c.response_status)
    return select(*columns).where(which).order_by(order).limit(most).subquery()
