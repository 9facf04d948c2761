"""A person's data on both databases, and the runs in Prefect of what is purged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from receiver.deliveries import purged_runs, retention
from receiver.deliveries.erasure import Erasures
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.needle import Needle
from receiver.deliveries.records import DeliveryFilter
from receiver.deliveries.run_cleaner import RunCleaner
from receiver.deliveries.store import DeliveryStore
from receiver.prefect_gateway import PrefectUnavailable
from receiver.storage import Database
from receiver.storage.space import Space
from tests.support.inbox import BY, NOW, ended, later, new_delivery

ANY = DeliveryFilter()


class Prefect:
    """Deletes runs, when it answers."""

    def __init__(self) -> None:
        self.answers = True
        self.deleted: list[str] = []

    async def delete_runs(self, flow_run_ids: Sequence[str]) -> None:
        if not self.answers:
            raise PrefectUnavailable("it does not answer")
        self.deleted += flow_run_ids


async def test_what_is_erased_is_found_no_more_and_is_still_a_duplicates_first(
    db: Database, store: DeliveryStore
) -> None:
    erasures, needle = Erasures(db), Needle("Ada Lovelace")
    mine = await ended(store, Status.COMPLETED, "run", event="e-1", body=b'{"name": "Ada Lovelace"}')
    other = await ended(store, Status.COMPLETED, "run-2", body=b'{"name": "Grace Hopper"}')
    queued = new_delivery(body=b"Ada Lovelace", received_at=later(9))
    await store.accept(queued, later(9))

    looked = await erasures.look(needle, ANY, "")
    assert (looked.count, looked.found, looked.after) == (3, (mine, queued.id), None)
    assert (await erasures.look(needle, DeliveryFilter(webhook="refunds"), "")).count == 0
    erased = await erasures.erase(looked.found, BY, later(10))
    assert (erased.ids, erased.left) == ((mine,), ((queued.id, Status.QUEUED),))
    assert (await erasures.look(needle, ANY, "")).found == (queued.id,)

    record = await store.get(mine)
    assert record is not None and record.status is Status.COMPLETED and record.attempts[0].flow_run_id == "run"
    assert (record.path, record.client_ip, record.headers, record.event_id) == ("", "", {}, None)
    assert await store.request(mine, 1) is None
    assert await store.request(other, 1) is not None
    again = new_delivery(event="e-1", body=b'{"name": "Ada Lovelace"}', received_at=later(20))
    assert (await store.accept(again, later(20))).duplicate_of == mine


async def test_many_are_looked_at_in_steps(db: Database, store: DeliveryStore) -> None:
    for number in range(3):
        body = b"x" * 9_000_000 + b"Ada Lovelace"
        await store.accept(new_delivery(body=body, status=Status.FILTERED, received_at=later(number)), later(number))
    first = await Erasures(db).look(Needle("ada lovelace"), ANY, "")
    assert (first.count, len(first.found)) == (2, 2) and first.after == first.found[-1]
    second = await Erasures(db).look(Needle("ada lovelace"), ANY, first.after)
    assert (second.count, len(second.found), second.after) == (1, 1, None)


async def test_runs_of_purged_bodies_are_deleted_in_prefect_once_it_answers(db: Database, store: DeliveryStore) -> None:
    await ended(store, Status.COMPLETED, "run-1")
    await ended(store, Status.FAILED, "run-2", now=later(1))
    kept = new_delivery(received_at=later(2))
    await store.accept(kept, later(2))
    prefect = Prefect()
    cleaner = RunCleaner(db, prefect)
    assert not await cleaner.step()
    prefect.answers = False
    assert await store.delete_bodies("orders", later(60)) == (2, False)
    assert await cleaner.clean(5) is False
    assert (prefect.deleted, await db.read(purged_runs.some)) == ([], ["run-1", "run-2"])
    prefect.answers = True
    assert await cleaner.clean(5) is True
    assert prefect.deleted == ["run-1", "run-2"]
    assert await store.delete_rows("orders", later(60)) == (2, False)
    assert await db.read(purged_runs.some) == []  # they went with the bodies


async def test_runs_of_deliveries_that_are_purged_at_once_go_too(db: Database, store: DeliveryStore) -> None:
    received = NOW + timedelta(days=1)
    await ended(store, Status.COMPLETED, "run-3", webhook="refunds", now=received)
    await db.write(lambda c: retention.delete_rows(c, "refunds", received + timedelta(days=1)))
    assert await db.read(purged_runs.some) == ["run-3"]


async def test_space_is_given_back_part_by_part(db: Database, store: DeliveryStore) -> None:
    space = Space(db)
    await store.accept(new_delivery(), NOW)
    assert (await space.size()).total > 10_000
    for whole in (False, True):
        for part in await space.parts():
            while await space.give_back(part, whole=whole):
                assert await store.backlog(NOW)
    await space.write_back()
    assert (await store.backlog(NOW)).waiting == 1
