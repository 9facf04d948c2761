"""Bodies that are kept apart from their rows: whole again wherever they are needed, deleted when nobody needs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from receiver.bodies import Bodies, BodyGone, Room, Spool
from receiver.bodies.storage import fresh_key
from receiver.bodies.wiring import open_bodies
from receiver.deliveries.erasure import Erasures
from receiver.deliveries.leftovers import YOUNG, Leftovers
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.needle import Needle
from receiver.deliveries.records import DeliveryFilter
from receiver.deliveries.store import DeliveryStore
from receiver.storage import Database, StoreUnavailable
from receiver.storage.tables import attempt, delivery, kept_body, payload
from receiver.webhooks.definitions import DefinitionStore
from tests.support.inbox import BY, NOW, claim_one, ended, later, new_delivery, new_replay, run_state

BIG = b'{"blob": "' + b"x" * 3000 + b'"}'
EDITED = b'{"blob": "' + b"y" * 4000 + b'"}'
LATE = datetime.now(UTC) + 2 * YOUNG


async def no_block(_block_type: str, _name: str) -> dict[str, Any] | None:
    return None


@pytest.fixture(params=["local", "database"])
def bodies(request: pytest.FixtureRequest, db: Database, tmp_path: Path) -> Bodies:
    bench = Room(10_000, seconds=0.01, most_waiting=1)
    kept_in: str = request.param
    return open_bodies(db, tmp_path, no_block, place=kept_in, inline=1000, bench=bench, spool=Spool(tmp_path / "spool"))


@pytest.fixture
def store(db: Database, bodies: Bodies) -> DeliveryStore:
    return DeliveryStore(db, bodies)


async def body_of(store: DeliveryStore, delivery_id: str, number: int = 0) -> bytes:
    request = await store.request(delivery_id, number)
    assert request is not None
    async with store.whole(request) as whole:
        return whole.body


async def stored_keys(bodies: Bodies) -> list[str]:
    return [key for day in await bodies.days() for key in await bodies.keys(day)]


async def test_a_big_body_is_kept_apart_and_a_small_one_in_its_row(store: DeliveryStore, db: Database, bodies: Bodies):
    big, small = new_delivery(body=BIG), new_delivery()
    for new in (big, small):
        await store.accept(new, NOW)
    rows = await db.read(lambda c: {row.delivery_id: bytes(row.body) for row in c.execute(select(payload))})
    assert rows == {big.id: b"", small.id: small.body}
    assert len(await stored_keys(bodies)) == 1
    request = await store.request(big.id)
    assert request is not None and (request.body, request.size, request.body_size) == (b"", len(BIG), len(BIG))
    assert [await body_of(store, new.id) for new in (big, small)] == [BIG, small.body]
    content = store.content(request, 5, 15)
    assert b"".join([piece async for piece in content.pieces(2, content.size)]) == BIG[7:15]


async def test_a_big_event_that_comes_again_is_a_duplicate_and_another_body_of_its_id_a_conflict(store: DeliveryStore):
    first = await store.accept(new_delivery(body=BIG, event="e"), NOW)
    again = await store.accept(new_delivery(body=BIG, event="e"), NOW)
    other = await store.accept(new_delivery(body=EDITED, event="e"), NOW)
    assert (again.status, again.duplicate_of) == (Status.DUPLICATE, first.id)
    assert other.status is Status.QUEUED and other.id_conflict


async def test_the_big_parts_of_a_request_are_kept_apart_each(store: DeliveryStore):
    whole = new_delivery(body=BIG + EDITED, status=Status.SPLIT)
    parts = [new_delivery(body=body, parent_id=whole.id) for body in (BIG, b"{}", EDITED)]
    await store.accept(whole, NOW, parts)
    assert [await body_of(store, new.id) for new in (whole, *parts)] == [BIG + EDITED, BIG, b"{}", EDITED]


async def test_an_edited_body_belongs_to_its_attempt(store: DeliveryStore):
    delivery_id = await ended(store, Status.FAILED, "run-1", body=BIG)
    await store.replay([new_replay(delivery_id, after=1, body=EDITED)], BY, NOW)
    assert [await body_of(store, delivery_id, number) for number in (0, 1, 2)] == [BIG, BIG, EDITED]


async def test_a_run_that_is_repeated_after_a_crash_has_the_edited_body(store: DeliveryStore, db: Database):
    definition = {"key": "orders", "deployment": "orders/main", "on_crash": "retry"}
    await DefinitionStore(db).put(definition, key="orders", origin="api", by=BY, now=NOW)
    delivery_id = await ended(store, Status.FAILED, "run-1", body=BIG)
    await store.replay([new_replay(delivery_id, after=1, body=EDITED)], BY, NOW)
    await store.handed_over(await claim_one(store, NOW), "run-2", NOW)
    assert await store.follow(run_state("run-2", Status.CRASHED, later(5)), "event", later(5))
    assert (await claim_one(store, later(60))).attempt == 3
    assert await body_of(store, delivery_id, 3) == EDITED


async def test_a_body_of_age_is_deleted_where_it_is_kept(store: DeliveryStore, db: Database, bodies: Bodies):
    delivery_id = await ended(store, Status.FAILED, "run-1", body=BIG)
    await store.replay([new_replay(delivery_id, after=1, body=EDITED)], BY, NOW)
    await store.handed_over(await claim_one(store, NOW), "run-2", NOW)
    assert await store.follow(run_state("run-2", Status.COMPLETED, later(1)), "event", later(1))
    assert len(await stored_keys(bodies)) == 2
    await store.delete_bodies("orders", NOW + timedelta(days=1))
    assert await store.request(delivery_id) is None and await store.request(delivery_id, 2) is None
    assert await Leftovers(db, bodies).delete_gone() == 2
    assert await stored_keys(bodies) == []
    assert await db.read(lambda c: c.scalar(select(func.count()).select_from(kept_body))) == 0


async def test_a_delivery_of_age_takes_its_body_with_it(store: DeliveryStore, db: Database, bodies: Bodies):
    await ended(store, Status.COMPLETED, "run-1", body=BIG)
    assert (await store.delete_rows("orders", NOW + timedelta(days=1)))[0] == 1
    assert await Leftovers(db, bodies).delete_gone() == 1
    assert await stored_keys(bodies) == []


async def test_what_no_delivery_names_is_deleted_when_it_is_old_and_was_seen_before(
    store: DeliveryStore, db: Database, bodies: Bodies
):
    owned = await store.accept(new_delivery(body=BIG), NOW)
    await bodies.keep(EDITED)  # as a process leaves it that dies before its commit
    leftovers = Leftovers(db, bodies)
    assert [await leftovers.delete_orphans(at) for at in (datetime.now(UTC), LATE)] == [0, 0]
    assert len(await stored_keys(bodies)) == 2
    assert await leftovers.delete_orphans(LATE) == 1
    assert len(await stored_keys(bodies)) == 1 and await body_of(store, owned.id) == BIG


async def test_a_commit_that_comes_late_saves_its_body(store: DeliveryStore, db: Database, bodies: Bodies):
    where = await bodies.keep(BIG)
    leftovers = Leftovers(db, bodies)
    await leftovers.delete_orphans(LATE)
    new = new_delivery(body=b"", body_at=where, body_size=len(BIG))
    await store.accept(new, NOW)
    assert await leftovers.delete_orphans(LATE) == 0
    assert await body_of(store, new.id) == BIG


async def test_a_body_whose_delivery_was_deleted_by_other_means_is_an_orphan(
    store: DeliveryStore, db: Database, bodies: Bodies
):
    new = new_delivery(body=BIG)
    await store.accept(new, NOW)
    for table in (attempt, payload):
        await db.write(lambda c, table=table: c.execute(delete(table)).rowcount)  # type: ignore[misc]
    await db.write(lambda c: c.execute(delete(delivery)).rowcount)
    leftovers = Leftovers(db, bodies)
    assert [await leftovers.delete_orphans(LATE) for _ in range(2)] == [0, 1]
    assert await db.read(lambda c: c.scalar(select(func.count()).select_from(kept_body))) == 0


async def test_a_row_that_was_restored_without_its_body_says_so(store: DeliveryStore, bodies: Bodies):
    new = new_delivery(body=BIG)
    await store.accept(new, NOW)
    [key] = await stored_keys(bodies)
    await bodies.delete_key(key)
    with pytest.raises(BodyGone):
        await body_of(store, new.id)


async def test_a_text_in_a_row_that_names_no_body_becomes_no_path(bodies: Bodies):
    for text in ("", "local#5", "local#5#../../secret", f"local#x#{fresh_key(NOW)}", "local#5#2026-11-30/../../etc"):
        with pytest.raises(BodyGone):
            async with bodies.whole(text):
                raise AssertionError("not reached")
    with pytest.raises(StoreUnavailable, match="does not know"):
        async with bodies.whole(f"elsewhere#5#{fresh_key(NOW)}"):
            raise AssertionError("not reached")


async def test_so_many_big_bodies_are_looked_at_as_there_is_room_for(store: DeliveryStore):
    new = new_delivery(body=b"z" * 6000)
    await store.accept(new, NOW)
    request = await store.request(new.id)
    assert request is not None
    async with store.whole(request):
        with pytest.raises(StoreUnavailable, match="too many big bodies"):
            async with store.whole(request):
                raise AssertionError("there was room for one")
    async with store.whole(request, patient=True) as whole:
        assert whole.size == 6000


async def test_a_text_in_a_body_that_is_kept_apart_is_found_and_erased(
    store: DeliveryStore, db: Database, bodies: Bodies
):
    personal = BIG.replace(b'"}', b' ada@example.com"}')
    mine = await ended(store, Status.COMPLETED, "run-of-big", body=personal)
    await store.accept(new_delivery(body=BIG, received_at=later(9)), later(9))
    erasures, needle = Erasures(db, bodies), Needle("ada@example.com")
    assert (await erasures.look(needle, DeliveryFilter(), "")).found == (mine,)
    assert (await erasures.erase([mine], BY, later(10))).ids == (mine,)
    assert await Leftovers(db, bodies).delete_gone() == 1
    assert (await erasures.look(needle, DeliveryFilter(), "")).found == ()
    assert len(await stored_keys(bodies)) == 1
