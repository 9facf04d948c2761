"""What is stored of a request that was accepted, whatever its sender put into it."""

import asyncio
from dataclasses import replace

import pytest

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.store import DeliveryStore
from tests.support.inbox import NOW, later, new_delivery


async def test_a_request_comes_back_as_it_was_stored(store: DeliveryStore) -> None:
    new = new_delivery(body=b"\x00\xff{}", event="evt-1", receive_ms=1.5, response_status=202, notes={"a": [1]})
    stored = await store.accept(new, later(1))
    assert (stored.id, stored.status, stored.duplicate_of, stored.id_conflict) == (new.id, Status.QUEUED, None, False)
    record = await store.get(new.id)
    assert record is not None
    for name in (
        "webhook",
        "revision",
        "status",
        "reason",
        "method",
        "path",
        "headers",
        "query",
        "params",
        "client_ip",
    ):
        assert getattr(record, name) == getattr(new, name), name
    for name in ("content_type", "body_size", "verification", "notes", "response_status", "received_at", "receive_ms"):
        assert getattr(record, name) == getattr(new, name), name
    assert record.event_id == "evt-1"
    assert record.updated_at == later(1)
    request = await store.request(new.id)
    assert request is not None and (request.content_type, request.body) == ("application/json", b"\x00\xff{}")


async def test_its_request_can_be_made_again(store: DeliveryStore) -> None:
    new = new_delivery(body=b"[1]")
    await store.accept(new, NOW)
    request = await store.request(new.id)
    assert request is not None
    assert (request.id, request.webhook, request.body) == (new.id, "orders", b"[1]")
    assert (request.headers, request.query, request.params) == (new.headers, new.query, new.params)
    assert (request.verification, request.received_at) == (new.verification, NOW)


async def test_a_queued_request_has_its_first_attempt(store: DeliveryStore) -> None:
    new = new_delivery(deployment_id="d-1", flow_id="f-1")
    await store.accept(new, NOW)
    record = await store.get(new.id)
    assert record is not None
    (attempt,) = record.attempts
    assert (attempt.number, attempt.status, attempt.tries) == (1, Status.QUEUED, 0)
    assert (attempt.deployment, attempt.deployment_id, attempt.flow_id) == ("orders/main", "d-1", "f-1")
    assert attempt.due_at == NOW


@pytest.mark.parametrize(
    ("status", "reason"), [(Status.FILTERED, Reason.FILTERED), (Status.HELD, Reason.SCHEMA_MISMATCH)]
)
async def test_a_request_that_does_not_run_has_no_attempt(store: DeliveryStore, status: Status, reason: Reason) -> None:
    new = new_delivery(status=status, reason=reason, detail="why")
    assert (await store.accept(new, NOW)).status is status
    record = await store.get(new.id)
    assert record is not None
    assert (record.status, record.reason, record.detail, record.attempts) == (status, reason, "why", ())


async def test_text_that_a_database_cannot_hold_is_stored_all_the_same(store: DeliveryStore) -> None:
    hostile = "a\0b\ud800c☃𝄞"
    new = new_delivery(
        event=hostile,
        path=hostile,
        detail=hostile,
        content_type=hostile,
        client_ip=hostile,
        deployment=hostile,
        headers={hostile: [hostile, "x"]},
        query={hostile: hostile},
        params={hostile: hostile},
        verification={"scheme": hostile},
        notes={hostile: {"deep": [hostile, 2**70, None, 1.5]}},
    )
    await store.accept(new, NOW)
    record = await store.get(new.id)
    assert record is not None
    assert (record.headers, record.query, record.params) == (new.headers, new.query, new.params)
    assert (record.verification, record.notes) == (new.verification, new.notes)
    assert record.path == record.event_id == record.detail == "a�b�c☃𝄞"


async def test_an_event_id_of_any_length_is_stored(store: DeliveryStore) -> None:
    first, second = new_delivery(event="x" * 100_000), new_delivery(event="x" * 100_000)
    assert (await store.accept(first, NOW)).duplicate_of is None
    assert (await store.accept(second, NOW)).duplicate_of == first.id


async def test_requests_that_arrive_together_are_all_stored(store: DeliveryStore) -> None:
    news = [new_delivery(event=f"event {number}" if number % 2 else None) for number in range(217)]
    stored = await asyncio.gather(*(store.accept(new, NOW) for new in news))
    assert [one.id for one in stored] == [new.id for new in news]
    assert await store.stats("orders") == {"total": 217, "by_status": {"queued": 217}}


async def test_one_that_cannot_be_stored_fails_alone(store: DeliveryStore) -> None:
    known = new_delivery()
    await store.accept(known, NOW)
    news = [new_delivery(), replace(known), new_delivery()]
    outcomes = await asyncio.gather(*(store.accept(new, NOW) for new in news), return_exceptions=True)
    assert isinstance(outcomes[1], Exception)
    assert (await store.stats("orders"))["total"] == 3


async def test_an_unknown_delivery_is_none(store: DeliveryStore) -> None:
    for unknown in ("", "nobody", "a\0b", "\ud800"):
        assert await store.get(unknown) is None
        assert await store.request(unknown) is None
        assert await store.first_answer(unknown) is None
