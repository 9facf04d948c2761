"""Erasing what a person left behind: what was sent and answered goes, that there was a delivery stays.

Kept of an erased delivery: its id, webhook, revision, times, sizes, statuses, who replayed it, and digests by which a
sender's repetition is still known. Its note `erased` says when. What is unfinished or held is not erased: it would run
without its request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from receiver.bodies import Bodies, BodyGone
from receiver.deliveries import kept, purged_runs
from receiver.deliveries.lifecycle import UNFINISHED, Status
from receiver.deliveries.needle import Needle
from receiver.deliveries.reads import conditions
from receiver.deliveries.records import DeliveryFilter
from receiver.storage import Database, StoreUnavailable
from receiver.storage.tables import (
    attempt,
    delivery,
    payload,
    refusal_count,
    replay,
    reply,
    status_change,
    unknown_path,
)
from receiver.storage.values import from_micros, to_json, to_micros, to_text
from receiver.webhooks.audit import Action, By, enter

AT_ONCE = 200
_BYTES_AT_ONCE = 16 * 1024 * 1024
_STAY = {*UNFINISHED, Status.HELD}
_TOLD = ("path", "client_ip", "detail", "content_type", "event_id", "ordering_key")
_SENT = ("headers", "query", "params", "verification", "notes")
_NOTHING = "{}"


class Erasures:
    """Finds and erases in a database that others may use at the same time. Raises StoreUnavailable.

    Big bodies are in `bodies`; without them, all are in their rows.
    """

    def __init__(self, db: Database, bodies: Bodies | None = None) -> None:
        self._db = db
        self._bodies = bodies

    async def look(self, needle: Needle, which: DeliveryFilter, after: str) -> Looked:
        """Which of the next deliveries behind `after`, up to 200 and 16 MiB of bodies, have a text anywhere."""
        looked = await self._db.read(lambda c: look(c, needle, which, after))
        apart = {delivery_id for delivery_id, where in looked.apart if await self._is_in(needle, where)}
        return replace(looked, found=tuple(sorted({*looked.found, *apart})), apart=())

    async def _is_in(self, needle: Needle, where: str) -> bool:
        if self._bodies is None:
            raise StoreUnavailable("this process was not told where big bodies are kept")
        try:
            async with self._bodies.whole(where, patient=True) as body:
                return await asyncio.to_thread(needle.in_body, body)
        except BodyGone:
            return False

    async def erase(self, delivery_ids: Sequence[str], by: By, now: datetime) -> Erased:
        """Erase these deliveries; their runs in Prefect are deleted as soon as it answers."""
        return await self._db.write(lambda c: erase(c, delivery_ids, by, to_micros(now)))

    async def erase_counts(self, needle: Needle, text: str) -> None:
        """Forget what is counted under a text: unknown paths, and refusals of an address."""
        await self._db.write(lambda c: erase_counts(c, needle, text))


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What a step saw: how many deliveries, which of them have the text, and behind which the next step goes on.

    `apart` are those with a body that is kept elsewhere, and where; it is still to be looked into.
    """

    count: int
    found: tuple[str, ...]
    after: str | None
    apart: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Erased:
    """Which were erased, and which were not since they are unfinished or held, with that status."""

    ids: tuple[str, ...]
    left: tuple[tuple[str, Status], ...]


def look(connection: Connection, needle: Needle, which: DeliveryFilter, after: str) -> Looked:
    """Look at the next deliveries by id, up to 200 of them and 16 MiB of bodies."""
    query = select(delivery.c.id, delivery.c.body_size).where(delivery.c.id > after, *conditions(which))
    rows = connection.execute(query.order_by(delivery.c.id).limit(AT_ONCE)).all()
    ids: list[str] = []
    size = 0
    for row in rows:
        ids.append(row.id)
        size += row.body_size
        if size > _BYTES_AT_ONCE:
            break
    found = tuple(each for each in ids if _has(connection, each, needle))
    more = len(rows) == AT_ONCE or len(ids) < len(rows)
    places = kept.places(connection, set(ids) - set(found))
    return Looked(
        count=len(ids),
        found=found,
        after=ids[-1] if ids and more else None,
        apart=tuple((delivery_id, where) for (delivery_id, _), where in sorted(places.items())),
    )


def _has(connection: Connection, delivery_id: str, needle: Needle) -> bool:
    """The small things first: a body is read only where they have nothing of it."""
    told = select(*(delivery.c[name] for name in _TOLD), *(payload.c[name] for name in _SENT))
    told = told.join(payload, payload.c.delivery_id == delivery.c.id).where(delivery.c.id == delivery_id)
    texts = [value for row in connection.execute(told) for value in row]
    for table, column in ((attempt, "detail"), (attempt, "state_name"), (status_change, "detail"), (reply, "wire")):
        texts += connection.scalars(select(table.c[column]).where(table.c.delivery_id == delivery_id))
    if any(needle.in_text(text) for text in texts):
        return True
    for table in (payload, replay):
        bodies = connection.scalars(select(table.c.body).where(table.c.delivery_id == delivery_id))
        if any(needle.in_body(bytes(body)) for body in bodies if body):
            return True
    return False


def erase(connection: Connection, delivery_ids: Sequence[str], by: By, now: int) -> Erased:
    """Erase these deliveries, their runs in Prefect soon after. The audit log tells of each, and not why."""
    wanted = delivery.c.id.in_(sorted(delivery_ids))
    rows = connection.execute(select(delivery.c.id, delivery.c.status).where(wanted).with_for_update()).all()
    left = tuple((row.id, Status(row.status)) for row in rows if row.status in _STAY)
    ids = sorted(row.id for row in rows if row.status not in _STAY)
    if not ids:
        return Erased(ids=(), left=left)
    purged_runs.enter(connection, ids)
    kept.let_go(connection, ids)
    gone = {"path": "", "client_ip": "", "detail": "", "content_type": "", "event_id": None, "ordering_key": None}
    connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(**gone, updated_at=now))
    sent = dict.fromkeys(_SENT, _NOTHING) | {"notes": to_json({"erased": from_micros(now).isoformat()})}
    connection.execute(update(payload).where(payload.c.delivery_id.in_(ids)).values(**sent, body=b""))
    edited = replay.c.delivery_id.in_(ids) & replay.c.body.is_not(None)
    connection.execute(update(replay).where(edited).values(body=b"", content_type=""))
    connection.execute(update(attempt).where(attempt.c.delivery_id.in_(ids)).values(detail="", ordering_key=None))
    connection.execute(update(status_change).where(status_change.c.delivery_id.in_(ids)).values(detail=""))
    connection.execute(delete(reply).where(reply.c.delivery_id.in_(ids)))
    for each in ids:
        enter(connection, by, Action.DELIVERY_ERASE, each, now)
    return Erased(ids=tuple(ids), left=left)


def erase_counts(connection: Connection, needle: Needle, text: str) -> None:
    """Forget unknown paths with the text, and refusals counted of the address that it is."""
    paths = [path for path in connection.scalars(select(unknown_path.c.path)) if needle.in_text(path)]
    connection.execute(delete(unknown_path).where(unknown_path.c.path.in_(paths)))
    connection.execute(delete(refusal_count).where(refusal_count.c.address == to_text(text.strip(), 64)))
