"""What comes of age is deleted: bodies first, whole deliveries later, and nothing that somebody still needs."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Column, Connection, func, select

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.retention import AT_ONCE
from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.sweeper import Keeps, Sweeper, Swept
from receiver.storage import Database, tables
from tests.support.inbox import BY, NOW, claim_one, ended, later, new_delivery, new_replay, run_state

KEEPS = Keeps(body=timedelta(days=30), row=timedelta(days=400))
OLD = NOW - timedelta(days=31)
ANCIENT = NOW - timedelta(days=401)


async def swept(store: DeliveryStore, now: datetime = NOW, keeps: dict[str, Keeps | None] | None = None) -> Swept:
    sweeper = Sweeper(store, lambda key: (keeps or {}).get(key, KEEPS), between_steps=0)
    return await sweeper.sweep(now)


async def stored(store: DeliveryStore, at: datetime, **fields: Any) -> str:
    return (await store.accept(new_delivery(received_at=at, **fields), at)).id


async def completed(store: DeliveryStore, at: datetime, **fields: Any) -> str:
    return await ended(store, Status.COMPLETED, f"run-{at.timestamp()}", now=at, **fields)


def _count(connection: Connection, *, column: Column[Any], delivery_id: str) -> int:
    return connection.scalar(select(func.count()).where(column == delivery_id)) or 0


async def rows_of(db: Database, delivery_id: str) -> dict[str, int]:
    """How many rows of each table belong to a delivery."""
    found = {}
    for name, table in tables.metadata.tables.items():
        column = table.c.get("delivery_id") if name != "delivery" else table.c.id
        if column is not None and name != "ledger":
            found[name] = await db.read(partial(_count, column=column, delivery_id=delivery_id))
    return found


async def test_a_body_goes_when_it_is_of_age_and_the_rest_stays(store: DeliveryStore, db: Database) -> None:
    old, young = await completed(store, OLD), await completed(store, NOW - timedelta(days=29))
    assert await swept(store) == Swept(bodies=1)
    record = await store.get(old)
    assert record is not None and record.status is Status.COMPLETED and record.body_size > 0
    assert record.headers and record.attempts and record.changes
    assert await store.request(old) is None
    kept = await store.request(young)
    assert kept is not None and kept.body == b'{"n": 1}'
    assert await swept(store) == Swept()


async def test_an_edited_body_and_a_reply_go_with_it(store: DeliveryStore, db: Database) -> None:
    delivery_id = await completed(store, OLD)
    wire = {"v": 1, "status": 200, "headers": {}, "body": "secret"}
    assert await store.record_reply(delivery_id, 1, wire, OLD)
    await store.replay([new_replay(delivery_id, after=1, body=b'{"n": 2}', due_at=OLD)], BY, OLD)
    await store.handed_over(await claim_one(store, NOW), "run-2", NOW)
    assert await store.follow(run_state("run-2", Status.COMPLETED, later(1)), "event", later(1))
    await swept(store)
    bodies = await db.read(lambda c: [bytes(each) for each in c.scalars(select(tables.replay.c.body))])
    assert bodies == [b""]
    assert (await rows_of(db, delivery_id))["reply"] == 0


async def test_a_row_goes_with_everything_of_it_when_it_is_of_age(store: DeliveryStore, db: Database) -> None:
    ancient, old = await completed(store, ANCIENT), await completed(store, OLD)
    before = await rows_of(db, ancient)
    assert before["delivery"] and before["payload"] and before["attempt"] and before["status_change"]
    assert (await swept(store)).rows == 1
    assert set((await rows_of(db, ancient)).values()) == {0}
    assert await store.get(old) is not None


async def test_what_is_unfinished_or_held_keeps_everything(store: DeliveryStore) -> None:
    waiting = await stored(store, ANCIENT)
    held = await stored(store, ANCIENT, status=Status.HELD, reason=Reason.UNREADABLE)
    assert await swept(store) == Swept()
    for delivery_id in (waiting, held):
        request = await store.request(delivery_id)
        assert request is not None and request.body == b'{"n": 1}'


async def test_each_webhook_has_its_own_ages_and_of_an_unknown_one_nothing_goes(store: DeliveryStore) -> None:
    short = await completed(store, NOW - timedelta(hours=3), webhook="short")
    unknown = await completed(store, ANCIENT, webhook="unknown")
    keeps: dict[str, Keeps | None] = {"short": Keeps(body=timedelta(hours=1), row=timedelta(hours=2)), "unknown": None}
    assert await swept(store, keeps=keeps) == Swept(rows=1)
    assert await store.get(short) is None
    assert await store.request(unknown) is not None


async def test_more_than_a_step_takes_goes_too(store: DeliveryStore) -> None:
    count = AT_ONCE + 3
    for _ in range(count):
        await stored(store, OLD, status=Status.FILTERED, reason=Reason.FILTERED)
    assert await swept(store) == Swept(bodies=count)
    assert await swept(store, NOW + timedelta(days=400)) == Swept(rows=count)


async def test_event_ids_outlive_rows_and_go_when_their_window_is_over(store: DeliveryStore) -> None:
    await completed(store, ANCIENT, event="evt-1", window=timedelta(days=402))
    assert await swept(store) == Swept(rows=1)
    again = await store.accept(new_delivery(event="evt-1"), NOW)
    assert again.status is Status.DUPLICATE
    assert (await swept(store, NOW + timedelta(days=2))).events == 1
    after = NOW + timedelta(days=2)
    assert (await store.accept(new_delivery(event="evt-1", received_at=after), after)).status is Status.QUEUED


@pytest.mark.parametrize("size", [0, 8])
async def test_a_request_without_a_body_is_not_taken_for_one_whose_body_is_gone(
    store: DeliveryStore, size: int
) -> None:
    delivery_id = await stored(store, NOW, body=b"x" * size)
    request = await store.request(delivery_id)
    assert request is not None and request.body_size == size
