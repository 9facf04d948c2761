"""`on_crash`: what follows when the process of a run died, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from receiver.deliveries import crashes
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import Claim, Sharing
from receiver.deliveries.store import DeliveryStore
from receiver.webhooks.definitions import DefinitionStore
from tests.support.inbox import BY, NOW, later, new_delivery, new_replay, run_state


async def define(definitions: DefinitionStore, on_crash: str) -> None:
    definition = {"key": "orders", "deployment": "orders/main", "on_crash": on_crash}
    await definitions.put(definition, key="orders", origin="api", by=BY, now=NOW)


@pytest.fixture
async def retrying(definitions: DefinitionStore, store: DeliveryStore) -> DeliveryStore:
    await define(definitions, "retry")
    return store


async def due(store: DeliveryStore, moment: datetime) -> list[Claim]:
    return await store.claim(100, 60, moment, "tests")


async def crash(store: DeliveryStore, claim: Claim, moment: datetime, status: Status = Status.CRASHED) -> bool:
    run = f"run-{claim.delivery_id}-{claim.attempt}"
    await store.handed_over(claim, run, moment)
    await store.follow(run_state(run, Status.RUNNING, moment), "event", moment)
    return await store.follow(run_state(run, status, moment), "event", moment)


async def stored(store: DeliveryStore, seconds: float = 0, **fields: Any) -> str:
    new = new_delivery(received_at=later(seconds), **fields)
    await store.accept(new, later(seconds))
    return new.id


async def test_a_crashed_run_is_followed_by_another_and_the_delivery_is_never_seen_crashed(retrying: DeliveryStore):
    made = await stored(retrying)
    (first,) = await due(retrying, NOW)
    await retrying.bind(first, "deployment-1", "flow-1")
    assert await crash(retrying, first, later(5))
    row = await retrying.get(made)
    assert row is not None
    assert (row.status, [attempt.status for attempt in row.attempts]) == (Status.QUEUED, ["crashed", "queued"])
    assert (row.attempts[1].cause, row.attempts[1].actor) == ("crash", crashes.ACTOR)
    assert await due(retrying, later(5.9)) == []
    (second,) = await due(retrying, later(6))
    assert (second.attempt, second.deployment_id, second.flow_id) == (2, "deployment-1", "flow-1")
    assert await crash(retrying, second, later(7), Status.COMPLETED)
    assert await retrying.standing(made) is Status.COMPLETED


async def test_told_twice_of_a_crash_it_runs_once_more_only(retrying: DeliveryStore):
    await stored(retrying)
    (first,) = await due(retrying, NOW)
    await crash(retrying, first, later(5))
    again = run_state(f"run-{first.delivery_id}-1", Status.CRASHED, later(6))
    assert not await retrying.follow(again, "poll", later(6))
    assert [claim.attempt for claim in await due(retrying, later(1000))] == [2]


async def test_after_three_more_crashes_in_a_row_it_is_crashed_and_a_person_starts_the_count_anew(
    retrying: DeliveryStore,
):
    made, moment = await stored(retrying), NOW
    for wait in (*crashes.WAITS, timedelta(0)):
        (claim,) = await due(retrying, moment)
        await crash(retrying, claim, moment)
        assert await due(retrying, moment) == []
        moment += wait
    assert await retrying.standing(made) is Status.CRASHED
    assert await retrying.replay([new_replay(made, after=4, due_at=moment)], BY, moment) == [5]
    (claim,) = await due(retrying, moment)
    await crash(retrying, claim, moment)
    assert [claim.attempt for claim in await due(retrying, moment + crashes.WAITS[0])] == [6]


async def test_what_failed_is_not_run_again(retrying: DeliveryStore):
    made = await stored(retrying)
    (claim,) = await due(retrying, NOW)
    await crash(retrying, claim, NOW, Status.FAILED)
    assert await retrying.standing(made) is Status.FAILED


async def test_by_default_a_crash_is_an_end_and_so_it_is_once_retry_was_taken_away(
    retrying: DeliveryStore, definitions: DefinitionStore
):
    made = await stored(retrying)
    (claim,) = await due(retrying, NOW)
    await define(definitions, "fail")
    await crash(retrying, claim, NOW)
    elsewhere = await stored(retrying, webhook="deleted")
    (claim,) = await due(retrying, NOW)
    await crash(retrying, claim, NOW)
    assert [await retrying.standing(each) for each in (made, elsewhere)] == [Status.CRASHED] * 2


async def test_an_edited_body_is_run_again_as_it_was_edited(retrying: DeliveryStore):
    made = await stored(retrying)
    (claim,) = await due(retrying, NOW)
    await crash(retrying, claim, NOW, Status.FAILED)
    edited = new_replay(made, after=1, revision=3, body=b'{"n": 2}', content_type="application/json")
    await retrying.replay([edited], BY, NOW)
    (claim,) = await due(retrying, NOW)
    await crash(retrying, claim, NOW)
    (claim,) = await due(retrying, later(1))
    request = await retrying.request(made, claim.attempt)
    assert request is not None
    assert (claim.attempt, claim.revision, request.body, request.edited) == (3, 3, b'{"n": 2}', True)


async def test_those_of_the_same_key_wait_for_it_and_others_do_not(retrying: DeliveryStore):
    first, second = [await stored(retrying, number, ordering_key="customer 7") for number in range(2)]
    (claim,) = await due(retrying, later(2))
    await crash(retrying, claim, later(3))
    other = await stored(retrying, 3, ordering_key="customer 8")
    assert [claim.delivery_id for claim in await due(retrying, later(3))] == [other]
    (again,) = await due(retrying, later(4))
    assert again.delivery_id == first
    await crash(retrying, again, later(5), Status.COMPLETED)
    assert [claim.delivery_id for claim in await due(retrying, later(5))] == [second]


async def test_what_shared_the_run_runs_again_each_by_itself(retrying: DeliveryStore):
    ten = Sharing(max_size=10, max_wait=timedelta(seconds=2))
    made = [await stored(retrying, number / 1000, sharing=ten) for number in range(10)]
    (batch,) = await due(retrying, later(0.1))
    await crash(retrying, batch, later(1))
    again = await due(retrying, later(2))
    assert [claim.delivery_id for claim in again] == made
    assert all((claim.attempt, claim.batch_id) == (2, None) for claim in again)
