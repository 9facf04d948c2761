"""Batches: many deliveries share a run, and each has its own end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import Sharing
from receiver.deliveries.store import DeliveryStore
from tests.support.inbox import later, new_delivery, run_state

TEN = Sharing(max_size=10, max_wait=timedelta(seconds=2))


async def gathered(store: DeliveryStore, count: int, seconds: float = 0, **fields: Any) -> list[str]:
    made = [new_delivery(sharing=TEN, received_at=later(seconds + n / 1000), **fields) for n in range(count)]
    for new in made:
        await store.accept(new, new.received_at)
    return [new.id for new in made]


async def statuses(store: DeliveryStore, made: list[str]) -> list[Status | None]:
    return [await store.standing(each) for each in made]


async def test_a_full_batch_need_not_wait(store: DeliveryStore):
    made = await gathered(store, 23)
    claims = await store.claim(10, 60, later(0.1), "tests")
    assert [[member for member, _ in claim.members] for claim in claims] == [made[:10], made[10:20]]
    assert all(claim.batch_id == f"{claim.delivery_id}:1" for claim in claims)
    assert await store.claim(10, 60, later(1.9), "tests") == []
    (rest,) = await store.claim(10, 60, later(2.1), "tests")
    assert [member for member, _ in rest.members] == made[20:]


async def test_what_waited_long_enough_takes_along_what_came_later(store: DeliveryStore):
    made = await gathered(store, 1) + await gathered(store, 2, 1.9)
    (claim,) = await store.claim(10, 60, later(2), "tests")
    assert [member for member, _ in claim.members] == made


async def test_a_batch_passes_over_what_has_to_wait_for_its_key_and_a_few_others_wait_like_any(store: DeliveryStore):
    await gathered(store, 10, ordering_key="hot")
    (hot,) = await store.claim(10, 60, later(0.1), "tests")
    behind = await gathered(store, 8, 0.2, ordering_key="hot")
    few = await gathered(store, 4, 0.3)
    assert await store.claim(10, 60, later(0.4), "tests") == []
    many = await gathered(store, 7, 0.5)
    (filled,) = await store.claim(10, 60, later(0.6), "tests")
    assert [member for member, _ in filled.members] == (few + many)[:10]
    await store.handed_over(hot, "run", later(1))
    await store.follow(run_state("run", Status.COMPLETED, later(1)), "event", later(1))
    (next_one,) = await store.claim(10, 60, later(1), "tests")
    assert [member for member, _ in next_one.members] == behind + many[6:]


async def test_members_have_one_run_and_each_its_end(store: DeliveryStore):
    made = await gathered(store, 10)
    (claim,) = await store.claim(10, 60, later(1), "tests")
    await store.bind(claim, "deployment", "flow")
    await store.handed_over(claim, "run", later(1))
    assert await statuses(store, made) == [Status.DISPATCHED] * 10
    assert await store.follow(run_state("run", Status.RUNNING, later(2)), "event", later(2))
    assert await statuses(store, made) == [Status.RUNNING] * 10
    failed = run_state("run", Status.FAILED, later(3), failed=frozenset(made[3:5]))
    assert await store.follow(failed, "event", later(3))
    assert await statuses(store, made) == [Status.FAILED if each in made[3:5] else Status.COMPLETED for each in made]
    record = await store.get(made[9])
    assert record is not None and record.attempts[0].flow_run_id == "run"
    assert [change.after for change in record.changes] == [Status.DISPATCHED, Status.RUNNING, Status.COMPLETED]
    assert (record.run_ms, record.attempts[0].deployment_id) == (1000, "deployment")


async def test_a_formed_batch_stays_the_same_however_often_it_is_handed_over(store: DeliveryStore):
    made = await gathered(store, 3)
    (claim,) = await store.claim(10, 60, later(3), "one")
    await gathered(store, 4, 4)
    await store.retry_later(claim, later(4), "Prefect is down", later(3))
    (again,) = await store.claim(10, 60, later(5), "two")
    assert (again.batch_id, [member for member, _ in again.members]) == (claim.batch_id, made)
    both = await store.claim(10, 60, later(66), "three")
    assert claim.batch_id in [each.batch_id for each in both], "its lease has run out"


async def test_a_batch_that_is_given_up_is_dead_in_all_its_members_and_revived_as_it_was(store: DeliveryStore):
    made = await gathered(store, 3)
    (claim,) = await store.claim(10, 60, later(3), "tests")
    await store.give_up(claim, Reason.DEPLOYMENT_MISSING, "none", later(4))
    assert await statuses(store, made) == [Status.DEAD] * 3
    assert await store.revive("orders/main", later(5)) == 3
    (again,) = await store.claim(10, 60, later(5), "tests")
    assert (again.batch_id, again.members) == (claim.batch_id, claim.members)


async def test_a_deployment_and_a_webhook_have_their_own_batches(store: DeliveryStore):
    one = await gathered(store, 2, webhook="a")
    two = await gathered(store, 2, webhook="b")
    three = await gathered(store, 2, webhook="a", deployment="orders/next")
    claims = await store.claim(10, 60, later(3), "tests")
    assert sorted([member for member, _ in claim.members] for claim in claims) == sorted([one, two, three])


async def test_order_holds_within_batches_and_among_them(store: DeliveryStore):
    hot = await gathered(store, 4, ordering_key="hot")
    cold = await gathered(store, 3, 0.1, ordering_key="cold")
    (first,) = await store.claim(10, 60, later(3), "tests")
    assert [member for member, _ in first.members] == hot + cold
    await store.handed_over(first, "run", later(3))
    later_hot = await gathered(store, 2, 4, ordering_key="hot")
    free = await gathered(store, 1, 4, ordering_key="free")
    (second,) = await store.claim(10, 60, later(7), "tests")
    assert [member for member, _ in second.members] == free
    await store.follow(run_state("run", Status.COMPLETED, later(8)), "event", later(8))
    (third,) = await store.claim(10, 60, later(9), "tests")
    assert [member for member, _ in third.members] == later_hot


async def test_a_revived_batch_is_handed_over_once_and_later_ones_of_its_keys_wait_for_it(store: DeliveryStore):
    await gathered(store, 3, ordering_key="k")
    (claim,) = await store.claim(10, 60, later(3), "tests")
    await store.give_up(claim, Reason.DEPLOYMENT_MISSING, "none", later(4))
    await store.revive("orders/main", later(5))
    await gathered(store, 2, 6, ordering_key="k")
    claims = await store.claim(10, 60, later(9), "tests")
    assert [(each.batch_id, each.members) for each in claims] == [(claim.batch_id, claim.members)]


async def test_processes_that_claim_at_once_take_each_delivery_once(stores: list[DeliveryStore]):
    made = await gathered(stores[0], 95)
    claims = await asyncio.gather(
        *(stores[number % 2].claim(2, 60, later(3), f"process {number}") for number in range(12))
    )
    members = [member for some in claims for claim in some for member, _ in claim.members]
    assert sorted(members) == sorted(made)
