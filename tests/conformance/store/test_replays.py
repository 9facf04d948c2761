"""What a person asks for: a new attempt of a stored request, or that what waits is discarded."""

from __future__ import annotations

import asyncio

import pytest

from receiver.contract.reasons import Reason
from receiver.deliveries.discards import Discarded
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeliveryFilter
from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.views import DeliveryRecord
from receiver.webhooks.definitions import DefinitionStore
from tests.support.inbox import BY, NOW, claim_one, dispatched, ended, later, new_delivery, new_replay


async def known(store: DeliveryStore, delivery_id: str) -> DeliveryRecord:
    record = await store.get(delivery_id)
    assert record is not None
    return record


async def stored(store: DeliveryStore, seconds: float = 0, **fields) -> str:
    return (await store.accept(new_delivery(received_at=later(seconds), **fields), later(seconds))).id


async def set_state(definitions: DefinitionStore, state: str) -> None:
    await definitions.put({"state": state}, key="orders", origin="api", by=BY, now=NOW)


async def test_a_replay_is_a_new_attempt_that_says_who_asked_for_it(store: DeliveryStore) -> None:
    delivery_id = await ended(store, Status.FAILED, "run-1")
    replay = new_replay(delivery_id, after=1, revision=3, deployment="orders/other", due_at=later(10))
    assert await store.replay([replay], BY, later(10)) == [2]
    record = await known(store, delivery_id)
    assert (record.status, record.reason, record.attempt, record.revision) == (Status.QUEUED, None, 2, 1)
    first, second = record.attempts
    assert (first.cause, first.actor, first.edited, first.revision) == ("request", None, False, 1)
    assert (second.cause, second.actor, second.edited, second.revision) == ("replay", "ann", False, 3)
    change = record.changes[-1]
    assert (change.before, change.after, change.source, change.detail) == ("failed", "queued", "replay", "by ann")
    claim = await claim_one(store, later(10))
    assert (claim.attempt, claim.revision, claim.deployment) == (2, 3, "orders/other")


async def test_an_edited_body_is_the_attempts_own(store: DeliveryStore) -> None:
    held = await stored(store, status=Status.HELD, reason=Reason.UNREADABLE, body=b"{", content_type="text/json")
    edited = new_replay(held, after=0, body=b"\0{}", content_type="application/json")
    assert await store.replay([edited], BY, NOW) == [1]
    assert [(each.number, each.edited) for each in (await known(store, held)).attempts] == [(1, True)]
    request = await store.request(held, 1)
    assert request is not None
    assert (request.body, request.content_type, request.edited) == (b"\0{}", "application/json", True)
    assert request.headers["content-type"] == "application/json"
    as_it_came = await store.request(held)
    assert as_it_came is not None and (as_it_came.body, as_it_came.edited) == (b"{", False)


async def test_what_has_moved_on_is_not_replayed(store: DeliveryStore) -> None:
    under_way, done = await dispatched(store, "run-1"), await ended(store, Status.COMPLETED, "run-2")
    asked = [new_replay("nobody", after=0), new_replay(under_way, after=1), new_replay(done, after=0)]
    assert await store.replay(asked, BY, NOW) == [None, None, None]
    assert await store.claim(10, 60, NOW, "tests") == []


async def test_of_two_replays_at_once_one_makes_an_attempt(stores: list[DeliveryStore]) -> None:
    one, other = stores
    for number in range(5):
        delivery_id = await ended(one, Status.FAILED, f"run-{number}")
        replay = [new_replay(delivery_id, after=1)]
        made = await asyncio.gather(one.replay(replay, BY, NOW), other.replay(replay, BY, NOW))
        assert sorted(made, key=str) == [[2], [None]]
        await one.handed_over(await claim_one(one, NOW), f"again-{number}", NOW)


async def test_what_arrives_meanwhile_goes_before_replays_whose_turn_has_come(
    store: DeliveryStore,
) -> None:
    ids = [await ended(store, Status.FAILED, f"run-{number}") for number in range(6)]
    await store.replay([new_replay(each, after=1, due_at=later(100 + n)) for n, each in enumerate(ids)], BY, later(100))
    fresh = await stored(store, 101.5)
    due = [claim.delivery_id for claim in await store.claim(10, 60, later(101.5), "tests")]
    assert due == [fresh, ids[0], ids[1]]
    assert (await store.backlog(later(101.5))).later == 4


async def test_candidates_come_the_oldest_first_and_from_where_one_was(store: DeliveryStore) -> None:
    ids = [await stored(store, n, status=Status.HELD, reason=Reason.UNREADABLE) for n in range(4)]
    await stored(store, 5)
    held = DeliveryFilter(status=Status.HELD)
    first = await store.candidates(held, 3, None)
    assert [each.id for each in first] == ids[:3]
    assert [each.id for each in await store.candidates(held, 3, first[-1].id)] == ids[3:]
    named = DeliveryFilter(ids=(ids[2], "nobody"))
    (found,) = await store.candidates(named, 3, None)
    assert (found.id, found.status, found.reason, found.attempt) == (ids[2], Status.HELD, Reason.UNREADABLE, 0)


@pytest.mark.parametrize("parked", [True, False])
async def test_what_waits_at_a_paused_webhook_is_discarded(
    store: DeliveryStore, definitions: DefinitionStore, parked: bool
) -> None:
    await set_state(definitions, "paused")
    ids = [await stored(store, n) for n in range(3)]
    elsewhere, since = await stored(store, webhook="other"), await stored(store, 20)
    if parked:
        assert [claim.delivery_id for claim in await store.claim(10, 60, later(30), "tests")] == [elsewhere]
    assert await store.discard_waiting("orders", BY, later(10), 1000) == (3, True)
    for each in ids:
        record = await known(store, each)
        assert (record.status, record.reason, record.detail) == (Status.CANCELLED, Reason.DISCARDED, "by ann")
        assert (record.changes[-1].source, record.changes[-1].detail) == ("discard", "by ann")
    assert (await known(store, since)).status is Status.QUEUED
    await set_state(definitions, "enabled")
    claimed = {claim.delivery_id for claim in await store.claim(10, 60, later(200), "tests")}
    assert since in claimed and not claimed & set(ids)


async def test_a_discard_takes_pieces_and_stops_at_its_limit(
    store: DeliveryStore, definitions: DefinitionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.deliveries.discards.AT_ONCE", 2)
    await set_state(definitions, "paused")
    for number in range(5):
        await stored(store, number)
    assert await store.discard_waiting("orders", BY, later(10), 3) == (4, False)
    assert await store.discard_waiting("orders", BY, later(10), 3) == (1, True)


async def test_nothing_of_a_webhook_that_runs_and_nothing_in_hand_is_discarded(
    store: DeliveryStore, definitions: DefinitionStore
) -> None:
    await set_state(definitions, "enabled")
    in_hand = await stored(store)
    await claim_one(store, NOW)
    waits = await stored(store, 1)
    assert await store.discard_waiting("orders", BY, later(2), 1000) == (0, True)
    assert await store.discard(waits, BY, later(2)) is Discarded.NOT_PAUSED
    await set_state(definitions, "paused")
    assert await store.discard(in_hand, BY, later(2)) is Discarded.UNDER_WAY
    assert await store.discard_waiting("orders", BY, later(2), 1000) == (1, True)
    assert (await known(store, in_hand)).status is Status.QUEUED


async def test_one_delivery_is_discarded_that_is_held_or_waits(
    store: DeliveryStore, definitions: DefinitionStore
) -> None:
    await set_state(definitions, "paused")
    held, waits = await stored(store, status=Status.HELD, reason=Reason.UNREADABLE), await stored(store)
    for each in (held, waits):
        assert await store.discard(each, BY, NOW) is Discarded.DONE
        record = await known(store, each)
        assert (record.status, record.reason, record.changes[-1].source) == ("cancelled", "discarded", "discard")
        assert await store.discard(each, BY, NOW) is Discarded.NOT_WAITING
    assert await store.discard("nobody", BY, NOW) is Discarded.UNKNOWN
    assert await store.discard(await dispatched(store, "run", webhook="other"), BY, NOW) is Discarded.UNDER_WAY
