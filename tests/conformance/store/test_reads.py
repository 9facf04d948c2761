"""Lists, searches and counts."""

import asyncio

import pytest

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeliveryFilter
from receiver.deliveries.search import LOOKED_AT
from receiver.deliveries.store import DeliveryStore
from tests.support.inbox import NOW, dispatched, later, new_delivery


async def listed(store: DeliveryStore, **fields: object) -> list[str]:
    which = DeliveryFilter(**fields)  # type: ignore[arg-type]  # whatever a test looks for
    items, _ = await store.list(which, 100)
    return [item.id for item in items]


async def stored(store: DeliveryStore, **fields: object) -> str:
    new = new_delivery(**fields)  # type: ignore[arg-type]  # whatever a test wants to differ
    await store.accept(new, new.received_at)
    return new.id


async def test_the_newest_come_first_page_by_page(store: DeliveryStore) -> None:
    ids = [await stored(store, received_at=later(number)) for number in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    sizes = []
    while True:
        items, cursor = await store.list(DeliveryFilter(), 2, cursor)
        seen += [item.id for item in items]
        sizes.append(len(items))
        if cursor is None:
            break
        await stored(store, received_at=later(100))  # what comes meanwhile does not shift the pages
    assert seen == ids[::-1]
    assert sizes == [2, 2, 1]


async def test_a_full_last_page_has_no_next(store: DeliveryStore) -> None:
    await stored(store)
    items, cursor = await store.list(DeliveryFilter(), 1)
    assert (len(items), cursor) == (1, None)


async def test_an_item_tells_its_latest_attempt(store: DeliveryStore) -> None:
    await dispatched(store, "run")
    (item,), _ = await store.list(DeliveryFilter(), 10)
    assert (item.attempt, item.flow_run_id, item.deployment, item.status) == (
        1,
        "run",
        "orders/main",
        Status.DISPATCHED,
    )


async def test_every_filter_narrows_the_list(store: DeliveryStore) -> None:
    await stored(store)
    filtered = await stored(store, status=Status.FILTERED, reason=Reason.FILTERED)
    refund = await stored(store, webhook="refunds", event="evt_9")
    assert await listed(store, webhook="refunds") == [refund]
    assert await listed(store, status=Status.FILTERED) == [filtered]
    assert await listed(store, reason=Reason.FILTERED) == [filtered]
    assert await listed(store, event_id="evt_9") == [refund]
    assert await listed(store, webhook="refunds", status=Status.FILTERED) == []
    assert await listed(store, webhook="orders", status=Status.FILTERED, reason=Reason.FILTERED) == [filtered]


async def test_since_is_included_and_until_is_not(store: DeliveryStore) -> None:
    ids = [await stored(store, received_at=later(days * 86_400)) for days in range(4)]
    assert await listed(store, since=later(86_400), until=later(3 * 86_400)) == [ids[2], ids[1]]
    assert await listed(store, since=later(10 * 86_400)) == []


async def test_a_search_finds_id_path_event_and_run(store: DeliveryStore) -> None:
    mine = await dispatched(store, "run_1", event="evt_1", path="/api/webhooks/shops/50%_off")
    await stored(store, path="/api/webhooks/shops/50xyoff", received_at=later(86_400))
    for q in (mine, mine[:13], mine[-8:], "50%_off", "evt_1", "run_1"):
        assert await listed(store, q=q) == [mine], q
    for q in ("run-1", "nothing", "\0", "\ud800"):
        assert await listed(store, q=q) == [], q


async def test_a_search_goes_on_page_by_page_through_what_has_nothing_of_it(store: DeliveryStore) -> None:
    mine = new_delivery(path="/api/webhooks/rare", event="evt_rare")
    others = [new_delivery(received_at=later(1)) for _ in range(LOOKED_AT + 10)]
    await asyncio.gather(*(store.accept(new, NOW) for new in (mine, *others)))
    nothing, cursor = await store.list(DeliveryFilter(q="webhooks/rare"), 10)
    assert nothing == [] and cursor is not None
    found, end = await store.list(DeliveryFilter(q="webhooks/rare"), 10, cursor)
    assert [item.id for item in found] == [mine.id] and end is None
    for whole in ("evt_rare", mine.id):  # by their indexes, at once
        assert await listed(store, q=whole) == [mine.id]
    some, cursor = await store.list(DeliveryFilter(q="webhooks/orders"), 3)
    assert [item.id for item in some] == [each.id for each in others[:-4:-1]] and cursor == some[-1].id


@pytest.mark.parametrize("hostile", ["a\0b", "\ud800", "'; DROP TABLE delivery; --", "%"])
async def test_whatever_is_asked_for_is_only_not_found(store: DeliveryStore, hostile: str) -> None:
    await stored(store)
    assert await listed(store, webhook=hostile) == []
    assert await listed(store, event_id=hostile) == []
    assert (await store.stats(hostile))["total"] == 0
    assert await store.list(DeliveryFilter(webhook="orders"), 10, hostile) is not None


async def test_a_webhooks_deliveries_are_counted_by_status(store: DeliveryStore) -> None:
    await dispatched(store, "run")
    for _ in range(2):
        await stored(store, status=Status.FILTERED)
    await stored(store, webhook="refunds")
    assert await store.stats("orders") == {"total": 3, "by_status": {"dispatched": 1, "filtered": 2}}
    assert await store.stats("nobody") == {"total": 0, "by_status": {}}


async def test_moments_keep_their_microseconds(store: DeliveryStore) -> None:
    moment = NOW.replace(microsecond=123_457)
    delivery_id = await stored(store, received_at=moment)
    record = await store.get(delivery_id)
    assert record is not None and record.received_at == moment
