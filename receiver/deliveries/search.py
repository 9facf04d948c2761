"""Looking for a word in the inbox, which costs the same however much is stored.

What is somebody's whole id is found by an index among all deliveries. For parts of ids and paths there is none: each
page looks at two thousand deliveries and tells where the next one goes on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select

from receiver.deliveries.reads import SUMMARY, conditions, summary_of
from receiver.deliveries.records import DeliveryFilter
from receiver.deliveries.views import DeliverySummary
from receiver.storage.tables import attempt, delivery
from receiver.storage.values import to_text

LOOKED_AT = 2_000
"""Deliveries that one page looks at."""

_BEGINS_ID = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}")
_AFTER_HEX = "g"


def search(
    connection: Connection, which: DeliveryFilter, limit: int, cursor: str | None
) -> tuple[list[DeliverySummary], str | None]:
    """A page of the deliveries that have the word `which.q`, newest first, and the cursor of the next page.

    The page may be short, or empty, and yet not be the last one, which alone has no next.
    """
    q = to_text(which.q or "", 300)
    narrowed = conditions(replace(which, q=None))
    if cursor:
        narrowed.append(delivery.c.id < to_text(cursor, 100))
    rows = _named(connection, q, narrowed, limit + 1)
    if rows:
        items = [summary_of(row) for row in rows[:limit]]
        return items, items[-1].id if len(rows) > limit else None
    return _within(connection, q, narrowed, limit)


def _named(connection: Connection, q: str, narrowed: list[ColumnElement[bool]], limit: int) -> list[RowMapping]:
    """The newest of those whose event id or flow run it is, or whose id begins like it."""
    of_run = select(attempt.c.delivery_id).where(attempt.c.flow_run_id == q)
    ways = [delivery.c.event_id == q, delivery.c.id.in_(of_run)]
    if _BEGINS_ID.fullmatch(q):
        ways.append((delivery.c.id >= q) & (delivery.c.id < q + _AFTER_HEX))
    found: dict[str, RowMapping] = {}
    for way in ways:  # one after the other: no database finds an index for all of them at once
        query = SUMMARY.where(way, *narrowed).order_by(delivery.c.id.desc()).limit(limit)
        found |= {row["id"]: row for row in connection.execute(query).mappings()}
    return [found[each] for each in sorted(found, reverse=True)][:limit]


def _within(
    connection: Connection, q: str, narrowed: list[ColumnElement[bool]], limit: int
) -> tuple[list[DeliverySummary], str | None]:
    newest = select(delivery.c.id).where(*narrowed).order_by(delivery.c.id.desc()).limit(LOOKED_AT).subquery()
    lowest, count = connection.execute(select(func.min(newest.c.id), func.count()).select_from(newest)).one()
    if not count:
        return [], None
    has_it = or_(delivery.c.id.contains(q, autoescape=True), delivery.c.path.contains(q, autoescape=True))
    query: Any = SUMMARY.where(delivery.c.id >= lowest, *narrowed, has_it).order_by(delivery.c.id.desc())
    rows = connection.execute(query.limit(limit + 1)).mappings().all()
    items = [summary_of(row) for row in rows[:limit]]
    if len(rows) > limit:
        return items, items[-1].id
    return items, lowest if count == LOOKED_AT else None
