"""Deliveries as tests make them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import Claim, DeduplicationClaim, NewDelivery, NewReplay, RunState
from receiver.deliveries.store import DeliveryStore
from receiver.webhooks.audit import By

_numbers = count()

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""Some moment. The store is told the time, so that tests are at home in any."""

BY = By(name="ann", key_id="k-1", address="192.0.2.7")
"""Who changes things in tests that do not care."""


def later(seconds: float) -> datetime:
    """A moment after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def new_delivery(
    *, event: str | None = None, window: timedelta = timedelta(days=4), mark: bytes | None = None, **fields: Any
) -> NewDelivery:
    """A verified request for the webhook `orders`, to be run; `event` is its sender's id, `mark` its signature."""
    body: bytes = fields.get("body", b'{"n": 1}')
    received_at = fields.get("received_at", NOW)
    claim = None
    if event is not None or mark is not None:
        digest = hashlib.sha256(body).digest()
        claim = DeduplicationClaim(key=event or "", body_digest=digest, expires_at=received_at + window, mark=mark)
    usual: dict[str, Any] = {
        "id": _uuid7(received_at),
        "webhook": "orders",
        "revision": 1,
        "status": Status.QUEUED,
        "method": "POST",
        "path": "/api/webhooks/orders",
        "headers": {"content-type": "application/json", "accept": ["a/b", "c/d"]},
        "query": {"a": "1"},
        "params": {"shop": "7"},
        "client_ip": "192.0.2.7",
        "content_type": "application/json",
        "body": body,
        "body_size": len(body),
        "verification": {"scheme": "hmac", "secret": "current"},
        "deduplication": claim,
        "deployment": "orders/main",
        "received_at": received_at,
    }
    return NewDelivery(**{**usual, **fields})


def new_replay(delivery_id: str, *, after: int, **fields: Any) -> NewReplay:
    """A replay of a delivery whose latest attempt is `after`, asked for by somebody with the key `ann`."""
    usual: dict[str, Any] = {"revision": 1, "actor": "ann", "deployment": "orders/main", "due_at": NOW}
    return NewReplay(delivery_id=delivery_id, after=after, **{**usual, **fields})


def _uuid7(moment: datetime) -> str:
    """Of that moment; of two in the same millisecond the one made later is greater."""
    digits = f"{int(moment.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-{next(_numbers):012x}"


def run_state(flow_run_id: str, status: Status, at: datetime, **fields: Any) -> RunState:
    """What Prefect tells of a run."""
    usual: dict[str, Any] = {"flow_run_id": flow_run_id, "status": status, "state_name": status.value.title(), "at": at}
    return RunState(**{**usual, **fields})


async def claim_one(store: DeliveryStore, now: datetime) -> Claim:
    """The one attempt that is due."""
    (claimed,) = await store.claim(10, 60, now, "tests")
    return claimed


async def dispatched(store: DeliveryStore, flow_run_id: str, now: datetime = NOW, **fields: Any) -> str:
    """Store a delivery and hand it over; its id. Nothing else may be due."""
    new = new_delivery(received_at=now, **fields)
    await store.accept(new, now)
    claimed = await claim_one(store, now)
    await store.handed_over(claimed, flow_run_id, now)
    return new.id


async def ended(store: DeliveryStore, status: Status, flow_run_id: str, **fields: Any) -> str:
    """Store a delivery and bring it to an end; its id."""
    delivery_id = await dispatched(store, flow_run_id, **fields)
    assert await store.follow(run_state(flow_run_id, status, later(1)), "event", later(1))
    return delivery_id
