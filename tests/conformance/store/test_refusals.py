"""Refused requests: rows within bounds, the rest counted."""

import asyncio

from receiver.contract.reasons import Reason
from receiver.deliveries.accept import REFUSALS_A_MINUTE, UNKNOWN_PATHS_KEPT
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import NewDelivery
from receiver.deliveries.store import DeliveryStore
from tests.support.inbox import NOW, later, new_delivery


def refused(**fields: object) -> NewDelivery:
    usual = {"status": Status.REJECTED, "reason": Reason.SIGNATURE_MISMATCH, "detail": "no such signature"}
    return new_delivery(**{**usual, **fields})  # type: ignore[arg-type]  # whatever a test wants to differ


async def test_a_refusal_is_a_row_with_its_reason(store: DeliveryStore) -> None:
    new = refused(body=b"x" * 100, body_size=50_000, response_status=401)
    assert await store.record_refusal(new)
    record = await store.get(new.id)
    assert record is not None
    assert (record.status, record.reason, record.detail) == (
        Status.REJECTED,
        Reason.SIGNATURE_MISMATCH,
        "no such signature",
    )
    assert (record.body_size, record.response_status, record.attempts) == (50_000, 401, ())
    request = await store.request(new.id)
    assert request is not None and (request.content_type, request.body) == ("application/json", b"x" * 100)
    assert await store.claim(10, 60, later(10), "tests") == []


async def test_past_the_bound_of_a_minute_refusals_are_only_counted(store: DeliveryStore) -> None:
    kept = await asyncio.gather(*(store.record_refusal(refused()) for _ in range(REFUSALS_A_MINUTE + 5)))
    kept += [await store.record_refusal(refused())]
    assert sum(kept) == REFUSALS_A_MINUTE
    assert (await store.stats("orders"))["total"] == REFUSALS_A_MINUTE
    (count,) = await store.refusal_counts(NOW)
    assert (count.minute, count.webhook, count.address, count.count) == (NOW, "orders", "192.0.2.7", 26)


async def test_the_bound_is_an_addresses_a_webhooks_and_a_minutes_own(store: DeliveryStore) -> None:
    for _ in range(REFUSALS_A_MINUTE):
        await store.record_refusal(refused())
    assert not await store.record_refusal(refused())
    assert await store.record_refusal(refused(client_ip="192.0.2.8"))
    assert await store.record_refusal(refused(webhook="refunds"))
    assert await store.record_refusal(refused(received_at=later(60)))


async def test_one_network_of_ipv6_is_one_address(store: DeliveryStore) -> None:
    kept = [
        await store.record_refusal(refused(client_ip=f"2001:db8:0:1::{number:x}"))
        for number in range(REFUSALS_A_MINUTE + 3)
    ]
    assert sum(kept) == REFUSALS_A_MINUTE
    assert await store.record_refusal(refused(client_ip="2001:db8:0:2::1"))


async def test_counts_of_earlier_days_are_swept(store: DeliveryStore) -> None:
    await store.record_refusal(refused())
    await store.record_refusal(refused(received_at=later(2 * 86_400)))
    assert [count.minute for count in await store.refusal_counts(NOW)] == [later(2 * 86_400)]


async def test_unknown_paths_are_counted_and_the_last_hundred_kept(store: DeliveryStore) -> None:
    for number in range(UNKNOWN_PATHS_KEPT + 20):
        await store.record_unknown_path(f"/api/webhooks/{number}", later(number / 10))
    await store.record_unknown_path("/api/webhooks/50", later(30))
    paths = await store.unknown_paths()
    assert len(paths) == UNKNOWN_PATHS_KEPT
    assert paths[0] == ("/api/webhooks/50", 2, later(30))
    assert paths[-1][0] == "/api/webhooks/20"
    assert sum(count.count for count in await store.refusal_counts(NOW)) == UNKNOWN_PATHS_KEPT + 21


async def test_any_path_can_be_noted(store: DeliveryStore) -> None:
    paths = ["/a\0b", "/\ud800", "/" + "x" * 100_000, "/%00"]
    await asyncio.gather(*(store.record_unknown_path(path, NOW) for path in paths))
    assert len(await store.unknown_paths()) == 4
