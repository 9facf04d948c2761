"""What the benchmark of a full inbox puts into it is read like any delivery."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.loading import body_of
from benchmarks.stored.seed import BODY_BYTES, WEBHOOKS, Seed, sow
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeliveryFilter
from receiver.deliveries.store import DeliveryStore
from receiver.storage import Database
from tests.support.postgres import TestPostgres

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    server: TestPostgres = request.getfixturevalue("postgres")
    return server.create_database()


async def test_deliveries_have_ended_in_every_way_and_are_whole(url: str | None, tmp_path: Path) -> None:
    sow(url, tmp_path, Seed(rows=200, end=NOW))
    db = Database.open(url, tmp_path)
    store = DeliveryStore(db)
    items, _ = await store.list(DeliveryFilter(), 300)
    assert Counter(item.status for item in items) == {
        Status.COMPLETED: 168,
        Status.FAILED: 8,
        Status.DUPLICATE: 10,
        Status.FILTERED: 6,
        Status.REJECTED: 4,
        Status.HELD: 2,
        Status.DEAD: 2,
    }
    assert len({item.webhook for item in items}) == WEBHOOKS
    assert all(NOW - timedelta(days=30) <= item.received_at < NOW for item in items)
    for item in items[::37]:
        record, request = await store.get(item.id), await store.request(item.id, item.attempt)
        assert record is not None and request is not None
        assert len(record.attempts) == item.attempt
        assert abs(len(request.body) - len(body_of(BODY_BYTES))) < 8
    await db.close()


async def test_deliveries_that_wait_are_due(url: str | None, tmp_path: Path) -> None:
    sow(url, tmp_path, Seed(rows=100, end=NOW, queued=True))
    db = Database.open(url, tmp_path)
    store = DeliveryStore(db)
    assert (await store.backlog(NOW)).waiting == 100
    assert len(await store.claim(10, 60, NOW, "test")) == 10
    await db.close()
