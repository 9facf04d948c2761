"""How webhooks fare, counted over a bounded time."""

from datetime import timedelta

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.stats import HOURS, WebhookStats, spread_of
from receiver.deliveries.store import DeliveryStore
from receiver.webhooks.definitions import DefinitionStore
from tests.support.inbox import BY, NOW, claim_one, ended, later, new_delivery

DAY_BEFORE = NOW - timedelta(days=1)


async def of(store: DeliveryStore, webhook: str = "orders", since: timedelta = timedelta(days=1)) -> WebhookStats:
    (stats,) = await store.statistics(later(60) - since, later(60), webhook)
    return stats


async def test_deliveries_are_counted_by_status_and_reason(store: DeliveryStore) -> None:
    await ended(store, Status.COMPLETED, "run-1")
    await ended(store, Status.FAILED, "run-2")
    await store.record_refusal(new_delivery(status=Status.REJECTED, reason=Reason.SIGNATURE_MISMATCH))
    await store.accept(new_delivery(webhook="refunds"), NOW)
    stats = await of(store)
    assert stats.counts.total == 3
    assert stats.counts.by_status == {Status.COMPLETED: 1, Status.FAILED: 1, Status.REJECTED: 1}
    assert stats.counts.by_reason == {Reason.SIGNATURE_MISMATCH: 1}
    everywhere = await store.statistics(DAY_BEFORE, later(60))
    assert [each.webhook for each in everywhere] == ["orders", "refunds"]


async def test_what_was_refused_without_a_row_is_counted_too(store: DeliveryStore) -> None:
    for _ in range(25):
        await store.record_refusal(new_delivery(status=Status.REJECTED, reason=Reason.SIGNATURE_MISMATCH))
    stats = await of(store)
    assert (stats.counts.total, stats.refused) == (20, 25)


async def test_what_came_before_is_not_counted(store: DeliveryStore) -> None:
    await store.accept(new_delivery(received_at=NOW - timedelta(days=3)), NOW)
    await store.accept(new_delivery(status=Status.FILTERED), NOW)
    assert (await of(store)).counts.total == 1
    assert (await of(store, since=timedelta(days=7))).counts.total == 2


async def test_each_of_the_last_hours_is_told_and_what_is_earlier_only_counted(store: DeliveryStore) -> None:
    for hours in (0, 0, 2, 40):
        new = new_delivery(received_at=NOW - timedelta(hours=hours), status=Status.FILTERED)
        await store.accept(new, NOW)
    await store.accept(new_delivery(status=Status.HELD, reason=Reason.UNREADABLE), NOW)
    stats = await of(store, since=timedelta(days=7))
    assert stats.counts.total == 5 and len(stats.counts.hours) == HOURS
    assert [(hour.total, hour.trouble) for hour in stats.counts.hours[-3:]] == [(1, 0), (0, 0), (3, 1)]
    assert sum(hour.total for hour in stats.counts.hours) == 4
    assert stats.counts.hours[-1].at == NOW.replace(minute=0)


async def test_times_are_of_those_that_came_that_far(store: DeliveryStore) -> None:
    await ended(store, Status.COMPLETED, "run")
    await store.accept(new_delivery(), NOW)
    stats = await of(store)
    assert stats.times["queue"].p50 == stats.times["queue"].p95 == 0
    assert "run" not in stats.times  # nobody told when it had begun


def test_half_and_nineteen_of_twenty_did_not_exceed() -> None:
    spread = spread_of([float(number) for number in range(100, 0, -1)])
    assert (spread.p50, spread.p95) == (50, 95)
    assert spread_of([7.0]).p95 == 7


async def test_what_waits_is_told_for_each_webhook(store: DeliveryStore, definitions: DefinitionStore) -> None:
    await store.accept(new_delivery(), NOW)
    await store.retry_later(await claim_one(store, later(1)), later(600), "Prefect is away", later(1))
    await store.accept(new_delivery(), NOW)
    await claim_one(store, later(1))  # leased past the minute that is looked at
    await store.accept(new_delivery(received_at=later(2)), later(2))
    await definitions.put({"key": "refunds"}, key="refunds", origin="api", by=BY, now=NOW)
    await definitions.set_state("refunds", "paused", BY, NOW)
    await store.accept(new_delivery(webhook="refunds", received_at=later(3)), later(3))
    (taken,) = await store.claim(1, 60, later(4), "tests")  # whoever asks parks what must not run
    await store.retry_later(taken, later(2), "given back", later(4))
    backlog = (await of(store)).backlog
    assert (backlog.waiting, backlog.later, backlog.leased, backlog.parked) == (1, 1, 1, 0)
    assert backlog.oldest_due_at == later(2)
    parked = (await of(store, "refunds")).backlog
    assert (parked.waiting, parked.parked, parked.oldest_due_at) == (0, 1, later(3))


async def test_a_webhook_without_deliveries_is_told_too(store: DeliveryStore, definitions: DefinitionStore) -> None:
    await definitions.put({"key": "quiet"}, key="quiet", origin="api", by=BY, now=NOW)
    await definitions.set_state("quiet", "paused", BY, NOW)
    (stats,) = await store.statistics(DAY_BEFORE, NOW)
    assert (stats.webhook, stats.state, stats.counts.total, stats.times) == ("quiet", "paused", 0, {})
    assert len(stats.counts.hours) == HOURS and stats.backlog.waiting == 0
    assert await store.statistics(DAY_BEFORE, NOW, "nobody") == []
