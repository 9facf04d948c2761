"""Who goes first: callers who wait, then what arrives, then replays; within an ordering key whoever came first."""

from datetime import timedelta

from receiver.deliveries.lifecycle import Status
from receiver.deliveries.priority import Priority
from receiver.deliveries.records import Sharing
from receiver.deliveries.store import DeliveryStore
from receiver.webhooks.definitions import DefinitionStore
from tests.support.inbox import BY, NOW, ended, later, new_delivery, new_replay


async def stored(store: DeliveryStore, seconds: float, **fields: object) -> str:
    new = new_delivery(received_at=later(seconds), **fields)  # type: ignore[arg-type]  # whatever a test wants to differ
    await store.accept(new, new.received_at)
    return new.id


async def claimed(store: DeliveryStore, limit: int, **more: int) -> list[str]:
    return [claim.delivery_id for claim in await store.claim(limit, 60, NOW, "tests", **more)]


async def test_a_caller_goes_before_a_backlog_and_a_replay_behind_it(store: DeliveryStore) -> None:
    again = await ended(store, Status.FAILED, "run-1")
    await store.replay([new_replay(again, after=1, due_at=later(2))], BY, later(2))
    backlog = [await stored(store, 10 + number) for number in range(3)]
    caller = await stored(store, 20, priority=Priority.SYNC)
    claims = await store.claim(10, 60, later(21), "tests")
    assert [claim.delivery_id for claim in claims] == [caller, *backlog, again]


async def test_a_caller_who_gave_up_long_ago_does_not_keep_one_who_waits(store: DeliveryStore) -> None:
    gone = await stored(store, -600, priority=Priority.SYNC)
    waits = await stored(store, -1, priority=Priority.SYNC)
    live = await stored(store, -700)
    assert await claimed(store, 10) == [waits, gone, live]


async def test_some_places_go_to_what_has_waited_longest_so_that_no_class_starves(store: DeliveryStore) -> None:
    callers = [await stored(store, -5 + number, priority=Priority.SYNC) for number in range(4)]
    old = await stored(store, -60)
    assert await claimed(store, 3, of_the_oldest=1) == [old, *callers[:2]]


async def test_what_is_tried_again_keeps_its_class(store: DeliveryStore) -> None:
    caller = await stored(store, -1, priority=Priority.SYNC)
    (claim,) = await store.claim(1, 60, NOW, "tests")
    assert claim.due_at == later(-1)
    await stored(store, -2)
    await store.retry_later(claim, claim.due_at, "", NOW)
    assert (await claimed(store, 10))[0] == caller


async def test_within_an_ordering_key_order_beats_the_class(store: DeliveryStore) -> None:
    first = await stored(store, -2, ordering_key="k")
    await stored(store, -1, ordering_key="k", priority=Priority.SYNC)
    assert await claimed(store, 10) == [first]


async def test_a_batch_waits_for_its_turn_behind_a_caller(store: DeliveryStore) -> None:
    sharing = Sharing(max_size=2, max_wait=timedelta(0))
    first, _ = [await stored(store, -9 + number, sharing=sharing) for number in range(2)]
    caller = await stored(store, -1, priority=Priority.SYNC)
    assert await claimed(store, 10) == [caller, first]


async def test_a_caller_s_run_overtakes_those_that_wait_in_prefect_once_there_are_many(store: DeliveryStore) -> None:
    for number in range(5):
        caller = await stored(store, number, priority=Priority.SYNC)
        (claim,) = await store.claim(10, 60, later(number), "tests")
        assert (claim.delivery_id, claim.overtakes) == (caller, False)
        await store.handed_over(claim, f"run-{number}", later(number))
    await stored(store, 20)
    await stored(store, 20, priority=Priority.SYNC)
    assert [claim.overtakes for claim in await store.claim(10, 60, later(20), "tests")] == [True, False]


async def test_how_far_the_queue_is_behind_is_told_by_what_is_due(store: DeliveryStore) -> None:
    assert await store.behind(NOW) == 0
    await stored(store, -40)
    await stored(store, -3, priority=Priority.SYNC)
    assert await store.behind(NOW) == 40
    await claimed(store, 10)
    assert await store.behind(NOW) == 0


async def test_what_follows_a_crash_keeps_its_class(store: DeliveryStore, definitions: DefinitionStore) -> None:
    retried = {"key": "orders", "deployment": "orders/main", "on_crash": "retry"}
    await definitions.put(retried, key="orders", origin="api", by=BY, now=NOW)
    caller = await ended(store, Status.CRASHED, "run-1", priority=Priority.SYNC)
    await stored(store, -60)
    claims = await store.claim(10, 60, later(30), "tests")
    assert (claims[0].delivery_id, claims[0].attempt) == (caller, 2)
