"""Prefect's states of a run and what they do to its delivery."""

import asyncio

import pytest

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.views import DeliveryRecord
from tests.support.inbox import BY, NOW, claim_one, dispatched, ended, later, new_delivery, new_replay, run_state


async def known(store: DeliveryStore, delivery_id: str) -> DeliveryRecord:
    record = await store.get(delivery_id)
    assert record is not None
    return record


async def test_a_run_is_followed_to_its_end_with_the_time_it_took(store: DeliveryStore) -> None:
    new = new_delivery()
    await store.accept(new, NOW)
    await store.handed_over(await claim_one(store, NOW), "run", later(1))
    assert not await store.follow(run_state("run", Status.DISPATCHED, later(1), state_name="Late"), "event")
    assert await store.follow(run_state("run", Status.RUNNING, later(3), started_at=later(3)), "event")
    assert await store.follow(run_state("run", Status.COMPLETED, later(7), started_at=later(3)), "poll")
    record = await known(store, new.id)
    assert (record.status, record.queue_ms, record.start_ms, record.run_ms) == (Status.COMPLETED, 1000, 2000, 4000)
    (attempt,) = record.attempts
    assert (attempt.started_at, attempt.ended_at, attempt.state_name) == (later(3), later(7), "Completed")
    assert [(change.after, change.at, change.source) for change in record.changes] == [
        (Status.DISPATCHED, later(1), "dispatcher"),
        (Status.RUNNING, later(3), "event"),
        (Status.COMPLETED, later(7), "poll"),
    ]


async def test_a_run_of_nobody_moves_nothing(store: DeliveryStore) -> None:
    assert not await store.follow(run_state("nobody's \0", Status.COMPLETED, NOW), "event")
    assert await store.flow_run("nobody's \0") is None
    assert not await store.run_missing("nobody's \0", NOW)


async def test_a_state_that_was_overtaken_is_ignored(store: DeliveryStore) -> None:
    delivery_id = await dispatched(store, "run")
    assert await store.follow(run_state("run", Status.COMPLETED, later(5)), "event", later(5))
    assert not await store.follow(run_state("run", Status.RUNNING, later(3)), "event", later(5))
    assert not await store.follow(run_state("run", Status.RUNNING, later(3)), "poll", later(5))
    assert (await known(store, delivery_id)).status is Status.COMPLETED


async def test_what_a_poll_tells_for_long_holds_though_a_clock_was_fast(store: DeliveryStore) -> None:
    delivery_id = await dispatched(store, "run")
    assert await store.follow(run_state("run", Status.RUNNING, later(600)), "event", later(1))
    completed = run_state("run", Status.COMPLETED, later(30))
    assert not await store.follow(completed, "poll", later(60))
    assert not await store.follow(completed, "event", later(100))
    assert await store.follow(completed, "poll", later(100))
    record = await known(store, delivery_id)
    assert (record.status, record.run_ms) == (Status.COMPLETED, 0)


async def test_the_same_state_again_changes_nothing(store: DeliveryStore) -> None:
    delivery_id = await ended(store, Status.FAILED, "run")
    before = await known(store, delivery_id)
    assert not await store.follow(run_state("run", Status.FAILED, later(1)), "poll", later(9))
    assert await known(store, delivery_id) == before


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CRASHED, Status.CANCELLED])
async def test_an_end_is_left_when_the_run_is_retried_in_prefect(store: DeliveryStore, status: Status) -> None:
    delivery_id = await ended(store, status, "run")
    assert await store.follow(run_state("run", Status.RUNNING, later(10)), "event", later(10))
    record = await known(store, delivery_id)
    assert (record.status, record.attempts[0].ended_at, record.run_ms) == (Status.RUNNING, None, None)
    assert await store.follow(run_state("run", Status.COMPLETED, later(20)), "event", later(20))
    assert (await known(store, delivery_id)).status is Status.COMPLETED


async def test_a_state_whose_name_says_more_is_shown(store: DeliveryStore) -> None:
    delivery_id = await dispatched(store, "run")
    await store.follow(run_state("run", Status.FAILED, later(1), state_name="TimedOut"), "event", later(1))
    record = await known(store, delivery_id)
    assert (record.status, record.detail, record.changes[-1].detail) == (Status.FAILED, "TimedOut", "TimedOut")


async def test_only_the_latest_attempt_moves_the_delivery(store: DeliveryStore) -> None:
    delivery_id = await ended(store, Status.FAILED, "run-1")
    assert await store.replay([new_replay(delivery_id, after=1)], BY, later(10)) == [2]
    claim = await claim_one(store, later(10))
    assert (claim.attempt, claim.deployment, claim.deployment_id) == (2, "orders/main", None)
    await store.handed_over(claim, "run-2", later(11))

    assert await store.follow(run_state("run-1", Status.RUNNING, later(12)), "event", later(12))
    record = await known(store, delivery_id)
    assert [attempt.status for attempt in record.attempts] == [Status.RUNNING, Status.DISPATCHED]
    assert (record.status, record.attempt, record.flow_run_id) == (Status.DISPATCHED, 2, "run-2")
    assert await store.follow(run_state("run-2", Status.COMPLETED, later(13)), "event", later(13))
    assert (await known(store, delivery_id)).status is Status.COMPLETED
    assert await store.flow_run("run-1") == (delivery_id, 1)
    assert await store.flow_run("run-2") == (delivery_id, 2)


async def test_runs_that_ended_badly_are_looked_at_for_a_while_the_latest_first(store: DeliveryStore) -> None:
    long_ago = await ended(store, Status.FAILED, "run-1")
    for status, run in ((Status.CRASHED, "run-2"), (Status.COMPLETED, "run-3"), (Status.CANCELLED, "run-4")):
        await dispatched(store, run, later(60))
        await store.follow(run_state(run, status, later(60 + int(run[-1]))), "event", later(70))
    assert [each.flow_run_id for each in await store.unhappy(later(10), 10)] == ["run-4", "run-2"]
    (last,) = (await store.unhappy(NOW, 10))[2:]
    assert (last.delivery_id, last.status) == (long_ago, Status.FAILED)
    assert len(await store.unhappy(NOW, 1)) == 1
    assert await store.follow(run_state("run-4", Status.RUNNING, later(80)), "poll", later(80))
    assert [each.flow_run_id for each in await store.unhappy(later(10), 10)] == ["run-2"]


async def test_a_run_that_was_deleted_leaves_its_delivery_dead(store: DeliveryStore) -> None:
    delivery_id = await dispatched(store, "run")
    assert await store.run_missing("run", later(1))
    record = await known(store, delivery_id)
    assert (record.status, record.reason) == (Status.DEAD, Reason.RUN_MISSING)
    assert not await store.run_missing("run", later(2))
    assert await store.unfinished(10, None) == []


async def test_a_run_that_ended_is_not_missed(store: DeliveryStore) -> None:
    delivery_id = await ended(store, Status.COMPLETED, "run")
    assert not await store.run_missing("run", later(2))
    assert (await known(store, delivery_id)).status is Status.COMPLETED


async def test_unfinished_runs_come_in_pages(store: DeliveryStore) -> None:
    ids = []
    for number in range(7):
        ids.append(await dispatched(store, f"run-{number}", later(number)))
    await store.follow(run_state("run-2", Status.RUNNING, later(10)), "event", later(10))
    await store.follow(run_state("run-3", Status.COMPLETED, later(10)), "event", later(10))
    await store.accept(new_delivery(), NOW)
    seen, after = [], None
    while page := await store.unfinished(2, after):
        after = page[-1].delivery_id
        seen += page
    assert [one.delivery_id for one in seen] == [ids[number] for number in (0, 1, 2, 4, 5, 6)]
    assert [one.status for one in seen[:3]] == [Status.DISPATCHED, Status.DISPATCHED, Status.RUNNING]
    assert [(one.flow_run_id, one.attempt) for one in seen[:2]] == [("run-0", 1), ("run-1", 1)]


async def test_an_event_that_every_process_hears_is_recorded_once(stores: list[DeliveryStore]) -> None:
    delivery_id = await dispatched(stores[0], "run")
    for status, seconds in ((Status.RUNNING, 1), (Status.COMPLETED, 2)):
        state = run_state("run", status, later(seconds))
        moved = await asyncio.gather(*(stores[turn % 2].follow(state, "event", later(seconds)) for turn in range(10)))
        assert sum(moved) == 1
    assert len((await known(stores[0], delivery_id)).changes) == 3
