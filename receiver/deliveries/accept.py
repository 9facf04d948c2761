"""Storing what comes in: accepted requests whole, refused ones within bounds. Each function takes a batch."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, delete, select, text

from receiver.contract.reasons import Reason
from receiver.deliveries import kept
from receiver.deliveries.ledger import Settled, settle_all
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import NewDelivery, Stored
from receiver.storage.rows import RowInsert
from receiver.storage.tables import attempt, delivery, payload, refusal_count, unknown_path
from receiver.storage.values import to_json, to_micros, to_text

REFUSALS_A_MINUTE = 20
"""Rows stored of one address at one webhook in a minute; what is refused past that is counted only."""
UNKNOWN_PATHS_KEPT = 100
_COUNTS_KEPT_MINUTES = 24 * 60
_MINUTE = 60_000_000
_MICROSECOND = timedelta(microseconds=1)
_NOTHING = Settled()
_EMPTY = "{}"

_DELIVERIES = RowInsert(
    delivery,
    (
        *("id", "webhook", "revision", "status", "reason", "detail", "method", "path", "client_ip", "content_type"),
        *("body_size", "event_id", "duplicate_of", "id_conflict", "attempt", "response_status", "receive_ms"),
        *("received_at", "updated_at", "parent_id", "ordering_key"),
    ),
)
_PAYLOADS = RowInsert(payload, ("delivery_id", "headers", "query", "params", "verification", "notes", "body"))
_ATTEMPTS = RowInsert(
    attempt,
    (
        *("delivery_id", "number", "webhook", "status", "deployment", "deployment_id", "flow_id"),
        *("tries", "due_at", "parked_due_at", "detail", "created_at", "ordering_key", "batch_size", "priority"),
    ),
)
_COUNT = text(
    "INSERT INTO refusal_count (minute, webhook, address, count) VALUES (:minute, :webhook, :address, :count) "
    "ON CONFLICT (minute, webhook, address) DO UPDATE SET count = refusal_count.count + excluded.count RETURNING count"
)
_NOTE_PATH = text(
    "INSERT INTO unknown_path (path, count, first_at, last_at) VALUES (:path, :count, :at, :at) "
    "ON CONFLICT (path) DO UPDATE SET count = unknown_path.count + excluded.count, last_at = excluded.last_at"
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request to be stored, with its parts when it is a split one, and when it is."""

    new: NewDelivery
    now: datetime
    parts: tuple[NewDelivery, ...] = ()


def accept(connection: Connection, arrived: Sequence[Arrived]) -> list[Stored]:
    """Store requests with their first attempts and their claims to events, a split one together with all its parts."""
    flat: list[Arrived] = []
    for one in arrived:
        flat.append(one)
        flat.extend(Arrived(part, one.now) for part in one.parts)
    stored = iter(_accept(connection, flat))
    return [replace(next(stored), parts=tuple(islice(stored, len(one.parts)))) for one in arrived]


def _accept(connection: Connection, arrived: Sequence[Arrived]) -> list[Stored]:
    settled = settle_all(connection, [one.new for one in arrived], to_micros(arrived[-1].now))
    outcomes = [settled.get(one.new.id, _NOTHING) for one in arrived]
    _store(connection, arrived, outcomes)
    return [
        Stored(
            id=one.new.id,
            status=Status.DUPLICATE if outcome.duplicate_of else one.new.status,
            duplicate_of=outcome.duplicate_of,
            id_conflict=outcome.id_conflict,
            replayed=outcome.replayed,
        )
        for one, outcome in zip(arrived, outcomes, strict=True)
    ]


def record_refusals(connection: Connection, refused: Sequence[Arrived]) -> list[bool]:
    """Store refused requests; False for those past their address's bound, which are only counted."""
    groups: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for index, one in enumerate(refused):
        minute = to_micros(one.now) // _MINUTE
        groups[minute, one.new.webhook, counted_address(one.new.client_ip)].append(index)
    kept: set[int] = set()
    for place in sorted(groups):
        before = _count(connection, place, len(groups[place])) - len(groups[place])
        kept.update(groups[place][: max(0, REFUSALS_A_MINUTE - before)])
    rows = [refused[index] for index in sorted(kept)]
    if rows:
        _store(connection, rows, [_NOTHING] * len(rows))
    return [index in kept for index in range(len(refused))]


def record_unknown_paths(connection: Connection, asked: Sequence[tuple[str, datetime]]) -> list[None]:
    """Count requests for paths that are nobody's, and keep the last hundred of these."""
    at = to_micros(asked[-1][1])
    paths = Counter(to_text(path, 500) for path, _ in asked)
    _count(connection, (at // _MINUTE, "", ""), len(asked))
    for path in sorted(paths):
        connection.execute(_NOTE_PATH, {"path": path, "count": paths[path], "at": at})
    last = select(unknown_path.c.path).order_by(unknown_path.c.last_at.desc(), unknown_path.c.path)
    stale = list(connection.scalars(last.offset(UNKNOWN_PATHS_KEPT).limit(1000)))
    if stale:
        connection.execute(delete(unknown_path).where(unknown_path.c.path.in_(sorted(stale))))
    return [None] * len(asked)


def counted_address(address: str) -> str:
    """What of an address is counted: of IPv6 the network of 64 bits, of which anybody has all addresses."""
    if ":" not in address:
        return to_text(address, 64)
    try:
        return str(ipaddress.IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return to_text(address, 64)


def _count(connection: Connection, place: tuple[int, str, str], more: int) -> int:
    minute, webhook, address = place
    values = {"minute": minute, "webhook": webhook, "address": address, "count": more}
    count = int(connection.execute(_COUNT, values).scalar_one())
    if count == more:  # the first of its minute sweeps
        connection.execute(delete(refusal_count).where(refusal_count.c.minute < minute - _COUNTS_KEPT_MINUTES))
    return count


def _store(connection: Connection, arrived: Sequence[Arrived], outcomes: Sequence[Settled]) -> None:
    deliveries, payloads, attempts, bodies = [], [], [], []
    for one, outcome in zip(arrived, outcomes, strict=True):
        new, now = one.new, to_micros(one.now)
        queued = new.status is Status.QUEUED and outcome.duplicate_of is None
        deliveries.append(_delivery_row(new, outcome, now, queued))
        payloads.append(
            (
                new.id,
                _json(new.headers),
                _json(new.query),
                _json(new.params),
                _json(new.verification),
                _json(new.notes),
                new.body,
            )
        )
        if new.body_at is not None:
            bodies.append((new.id, 0, new.body_at))
        if queued:
            deployment = to_text(new.deployment, 500)
            where = (deployment, new.deployment_id, new.flow_id)
            first_due = now + new.sharing.max_wait // _MICROSECOND if new.sharing else now
            # Parked at once, so that the queue has not to; where its webhook was resumed meanwhile, a claim unparks it.
            due = (None, first_due) if new.reason is Reason.PAUSED else (first_due, None)
            together = (_ordering_key(new), new.sharing.max_size if new.sharing else None, new.priority.value)
            attempts.append((new.id, 1, new.webhook, Status.QUEUED.value, *where, 0, *due, "", now, *together))
    _DELIVERIES.insert(connection, deliveries)
    _PAYLOADS.insert(connection, payloads)
    if bodies:
        kept.enter(connection, bodies)
    if attempts:
        _ATTEMPTS.insert(connection, attempts)


def _delivery_row(new: NewDelivery, outcome: Settled, now: int, queued: bool) -> tuple[Any, ...]:
    status, reason = new.status.value, new.reason.value if new.reason else None
    if outcome.duplicate_of is not None:
        cause = Reason.REPLAYED if outcome.replayed else Reason.DUPLICATE
        status, reason = Status.DUPLICATE.value, cause.value
    return (
        new.id,
        new.webhook,
        new.revision,
        status,
        reason,
        to_text(new.detail, 2000),
        to_text(new.method, 40),
        to_text(new.path, 2000),
        to_text(new.client_ip, 64),
        to_text(new.content_type, 300),
        new.body_size or len(new.body),
        to_text(new.deduplication.key, 300) if new.deduplication and new.deduplication.key else None,
        outcome.duplicate_of,
        int(outcome.id_conflict),
        int(queued),
        new.response_status,
        new.receive_ms,
        to_micros(new.received_at),
        now,
        new.parent_id,
        _ordering_key(new),
    )


def _ordering_key(new: NewDelivery) -> str | None:
    return None if new.ordering_key is None else to_text(new.ordering_key, 300)


def _json(value: Any) -> str:
    return to_json(value) if value else _EMPTY
