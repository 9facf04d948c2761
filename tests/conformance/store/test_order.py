"""Order: what has the same ordering key follows one another, on both databases and among processes."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import Claim
from receiver.deliveries.store import DeliveryStore
from tests.support.inbox import BY, NOW, later, new_delivery, new_replay, run_state


async def stored(store: DeliveryStore, key: str | None, seconds: float = 0, **fields: Any) -> str:
    """A delivery of that ordering key, received so many seconds after `NOW`."""
    moment = later(seconds)
    new = new_delivery(ordering_key=key, received_at=moment, **fields)
    await store.accept(new, moment)
    return new.id


async def started(store: DeliveryStore, claim: Claim, now: datetime = NOW) -> str:
    """Hand it over; its run."""
    run = f"run-{claim.delivery_id}-{claim.attempt}"
    await store.handed_over(claim, run, now)
    return run


async def due(store: DeliveryStore, seconds: float = 10) -> list[Claim]:
    return await store.claim(100, 60, later(seconds), "tests")


async def ids(store: DeliveryStore, seconds: float = 10) -> list[str]:
    return [claim.delivery_id for claim in await due(store, seconds)]


async def test_of_one_key_the_next_is_due_when_the_one_before_has_ended(store: DeliveryStore):
    first, second, third = [await stored(store, "customer 7", number) for number in range(3)]
    other = await stored(store, "customer 8", 3)
    free = await stored(store, None, 4)
    claims = await due(store)
    assert [claim.delivery_id for claim in claims] == [first, other, free]
    assert await due(store) == []
    run = await started(store, claims[0])
    assert await due(store) == []
    await store.follow(run_state(run, Status.RUNNING, later(20)), "event", later(20))
    assert await due(store, 30) == []
    await store.follow(run_state(run, Status.COMPLETED, later(30)), "event", later(30))
    assert await ids(store, 40) == [second]
    assert await ids(store, 50) == []
    assert (await store.get(third)).status is Status.QUEUED  # type: ignore[union-attr]


@pytest.mark.parametrize("end", [Status.FAILED, Status.CRASHED, Status.CANCELLED])
async def test_one_that_ends_badly_does_not_hold_up_the_next(store: DeliveryStore, end: Status):
    await stored(store, "k")
    second = await stored(store, "k", 1)
    (claim,) = await due(store)
    run = await started(store, claim)
    await store.follow(run_state(run, end, later(20)), "event", later(20))
    assert await ids(store, 30) == [second]


async def test_one_that_cannot_be_handed_over_or_vanished_does_not_hold_up_the_next(store: DeliveryStore):
    _, second, third = [await stored(store, "k", number) for number in range(3)]
    (claim,) = await due(store)
    await store.give_up(claim, Reason.HANDOVER_REFUSED, "no", later(11))
    (claim,) = await due(store, 12)
    assert claim.delivery_id == second
    run = await started(store, claim)
    await store.run_missing(run, later(20))
    assert await ids(store, 30) == [third]


async def test_a_hand_over_that_is_tried_again_keeps_its_place(store: DeliveryStore):
    first, _ = [await stored(store, "k", number) for number in range(2)]
    (claim,) = await due(store)
    await store.retry_later(claim, later(60), "Prefect is down", later(11))
    assert await due(store, 12) == []
    assert await ids(store, 60) == [first]
    assert await ids(store, 121) == [first], "its lease has run out"


async def test_of_a_paused_webhook_the_line_goes_on_in_order_after_resuming(store: DeliveryStore):
    made = [await stored(store, "k", number, reason=Reason.PAUSED) for number in range(3)]
    for number, delivery in enumerate(made):
        (claim,) = await due(store, 20 + 10 * number)
        assert claim.delivery_id == delivery
        run = await started(store, claim)
        ended = later(25 + 10 * number)
        await store.follow(run_state(run, Status.COMPLETED, ended), "event", ended)


async def test_a_replay_waits_for_what_is_under_way(store: DeliveryStore):
    first, second = [await stored(store, "k", number) for number in range(2)]
    (claim,) = await due(store)
    run = await started(store, claim)
    await store.follow(run_state(run, Status.FAILED, later(20)), "event", later(20))
    (claim,) = await due(store, 21)
    await store.replay([new_replay(first, after=1)], BY, later(22))
    assert await due(store, 23) == []
    run = await started(store, claim)
    await store.follow(run_state(run, Status.COMPLETED, later(30)), "event", later(30))
    (claim,) = await due(store, 31)
    assert (claim.delivery_id, claim.attempt) == (first, 2)
    assert claim.delivery_id != second


async def test_keys_of_different_webhooks_are_different_lines(store: DeliveryStore):
    first = await stored(store, "k", webhook="a")
    second = await stored(store, "k", 1, webhook="b")
    assert await ids(store) == [first, second]


async def test_processes_that_claim_at_once_never_start_two_of_a_key(stores: list[DeliveryStore]):
    """Ten keys, many deliveries, both processes at it: of each key one after another, in order of arrival."""
    made: dict[str, list[str]] = {f"key {number}": [] for number in range(10)}
    of: dict[str, str] = {}
    for number in range(60):
        key = f"key {number % 10}"
        delivery = await stored(stores[0], key, number / 1000)
        made[key].append(delivery)
        of[delivery] = key
    begun: dict[str, list[str]] = {key: [] for key in made}
    under_way: set[str] = set()

    async def drain(store: DeliveryStore, owner: str) -> None:
        for _ in range(1000):
            if sum(map(len, begun.values())) == 60:
                return
            for claim in await store.claim(3, 60, later(20), owner):
                key = of[claim.delivery_id]
                assert key not in under_way, f"two of {key} at once"
                under_way.add(key)
                begun[key].append(claim.delivery_id)
                run = await started(store, claim, later(10))
                under_way.discard(key)
                await store.follow(run_state(run, Status.COMPLETED, later(11)), "event", later(11))

    await asyncio.gather(*(drain(stores[number % 2], f"process {number}") for number in range(4)))
    assert begun == made
