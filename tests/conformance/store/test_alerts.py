"""Warnings on each database: raised once whoever looks, told within bounds, and not again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from receiver.alerts.book import Change, Kind
from receiver.alerts.channels import NotSent
from receiver.alerts.courier import Courier
from receiver.alerts.gather import Gatherer
from receiver.alerts.message import Message
from receiver.alerts.store import AlertStore
from receiver.alerts.tally import Tally
from receiver.alerts.trouble import Limits, Rule, Trouble
from receiver.alerts.watch import Watch
from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.store import DeliveryStore
from receiver.ingress.webhook import Webhook, compile_webhook
from receiver.storage import Database, StoreUnavailable
from receiver.webhooks.definitions import DefinitionStore
from tests.support.inbox import BY, new_delivery

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECRET = "block:webhook-secret/orders"


class Prefect:
    """Up or away; and when its block was changed."""

    def __init__(self) -> None:
        self.up = True
        self.changed_at: datetime | None = None

    async def healthy(self) -> bool:
        return self.up

    async def block_changed_at(self, block_type: str, name: str) -> datetime | None:
        assert (block_type, name) == ("webhook-secret", "orders")
        return self.changed_at


class Chat:
    """A channel that keeps what it took; it takes nothing while `broken`."""

    name, bounded = "url", True

    def __init__(self) -> None:
        self.took: list[Message] = []
        self.broken = False

    async def send(self, message: Message) -> None:
        if self.broken:
            raise NotSent("it answered 500")
        self.took.append(message)

    @property
    def told(self) -> list[tuple[Kind, Rule]]:
        return [(each.kind, each.trouble.rule) for message in self.took for each in message.notices]


class Full:
    """A database on a full disk: it can be read."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.full = False
        self.read = db.read

    async def write(self, operation: Any) -> Any:
        if self.full:
            raise StoreUnavailable("the inbox cannot be written: disk full")
        return await self._db.write(operation)


class Installation:
    """Receivers on one database with one chat."""

    def __init__(self, db: Database, home: Path) -> None:
        self.db, self.home = Full(db), home
        self.prefect, self.chat = Prefect(), Chat()
        self.webhooks: list[Webhook] = []
        self.tally = Tally()
        self.deliveries = DeliveryStore(db)

    def receiver(
        self, name: str = "one", *, limits: Limits | None = None, per_hour: int = 100, database: Any = None
    ) -> Watch:
        database = database or self.db
        gatherer = Gatherer(
            database=database,
            webhooks=lambda: self.webhooks,
            prefect=self.prefect,
            blocks=self.prefect,
            tally=self.tally,
            home=self.home,
            machine="host",
            name=f"host:{name}",
        )
        courier = Courier([self.chat], per_hour=per_hour, source="https://hooks.test", installation="tests")
        limits = limits or Limits(disk_bytes=0)
        return Watch(gatherer, AlertStore(database), courier, limits, owner=name, started_at=START - DAY)

    async def define(self, key: str, **verification: str) -> None:
        fields = {"key": key, "deployment": "a/b", "verification": verification}
        await DefinitionStore(self.deliveries._db).put(fields, by=BY, now=START, key=key, origin="api")
        definition = parse_definition(fields, by="code")
        self.webhooks.append(compile_webhook(definition, revision=1, state="enabled"))

    async def receive(self, moments: Iterable[datetime], **fields: Any) -> None:
        usual = {"webhook": "orders", "status": Status.FILTERED, "response_status": 200}
        for at in moments:
            new = new_delivery(received_at=at, **{**usual, **fields})
            if new.status is Status.REJECTED:
                assert await self.deliveries.record_refusal(new)
            else:
                await self.deliveries.accept(new, at)


@pytest.fixture
async def here(db: Database, tmp_path: Path) -> AsyncIterator[Installation]:
    await db.write(lambda connection: connection.execute(text("DELETE FROM meta WHERE name = 'alerts'")).rowcount)
    yield Installation(db, tmp_path)


async def rounds(watch: Watch, since: datetime, minutes: int, *, others: Iterable[Watch] = ()) -> datetime:
    """Two rounds a minute; the moment after the last one."""
    for half in range(2 * minutes):
        now = since + half * MINUTE / 2
        await asyncio.gather(*(each.round(now) for each in (watch, *others)))
    return since + minutes * MINUTE


async def test_prefect_away_is_told_once_and_its_return_once_also_over_restarts(here: Installation):
    here.prefect.up = False
    now = await rounds(here.receiver("one"), START, 4)
    now = await rounds(here.receiver("two"), now, 10)  # as after a restart
    assert here.chat.told == [(Kind.RAISED, Rule.PREFECT_AWAY)]
    here.prefect.up = True
    now = await rounds(here.receiver("three"), now, 20)
    assert here.chat.told == [(Kind.RAISED, Rule.PREFECT_AWAY), (Kind.RESOLVED, Rule.PREFECT_AWAY)]
    await here.receiver("four").round(now + 30 * DAY)
    assert len(here.chat.told) == 2


@pytest.fixture
async def elsewhere(url: str | None, here: Installation, tmp_path: Path) -> AsyncIterator[Any]:
    """The database as another process has it; SQLite has one, which then is both."""
    if url is None:
        yield here.db
        return
    other = Database.open(url, tmp_path)
    yield other
    await other.close()


async def test_of_several_receivers_one_tells_and_another_goes_on_when_that_is_gone(here: Installation, elsewhere: Any):
    here.prefect.up = False
    first, second = here.receiver("one"), here.receiver("two", database=elsewhere)
    now = await rounds(first, START, 5, others=[second])
    assert here.chat.told == [(Kind.RAISED, Rule.PREFECT_AWAY)]
    here.prefect.up = True
    await rounds(second, now, 10)  # the first was killed: its lease runs out
    assert here.chat.told[1:] == [(Kind.RESOLVED, Rule.PREFECT_AWAY)]


async def test_a_receiver_with_a_fast_clock_keeps_nobody_from_looking(here: Installation, elsewhere: Any):
    await here.receiver("fast").round(START + DAY)
    here.prefect.up = False
    await rounds(here.receiver("right", database=elsewhere), START, 5)
    assert here.chat.told == [(Kind.RAISED, Rule.PREFECT_AWAY)]


async def test_what_one_has_in_hand_nobody_else_sends_until_it_is_due_again(here: Installation, db: Database):
    trouble = Trouble(rule=Rule.PREFECT_AWAY, summary="away", remedy="mend it")
    first, second = AlertStore(db), AlertStore(db)
    await first.apply([Change(kind=Kind.RAISED, trouble=trouble, raised_at=START)], ["url"], START)
    [taken] = await first.take("url", START)
    assert await second.take("url", START + MINUTE) == [] and await second.take("event", START) == []
    assert await second.take("url", START + 2 * MINUTE) == [taken]  # the first was killed
    await second.sent("url", [taken], START + 2 * MINUTE)
    assert await first.take("url", START + HOUR) == [] and await first.sent_since("url", START) == 1


async def test_what_a_machine_lacks_is_told_once_though_both_its_receivers_see_it(here: Installation, elsewhere: Any):
    limits = Limits(disk_bytes=2**62)
    both = [here.receiver("one", limits=limits), here.receiver("two", limits=limits, database=elsewhere)]
    await rounds(both[0], START, 3, others=[both[1]])
    assert here.chat.told == [(Kind.RAISED, Rule.DISK_LOW)]


async def test_what_a_receiver_had_that_is_gone_for_good_is_over_after_a_day(here: Installation, elsewhere: Any):
    for _ in range(5):
        here.tally.count({"reason": "overloaded"})
    now = await rounds(here.receiver("one"), START, 3)
    here.tally = Tally()
    other = here.receiver("two", database=elsewhere)
    for hour in range(24):
        await other.round(now + hour * HOUR)
    assert here.chat.told == [(Kind.RAISED, Rule.STORAGE_REFUSES)]
    await other.round(now + 25 * HOUR)
    assert here.chat.told[1:] == [(Kind.RESOLVED, Rule.STORAGE_REFUSES)]
    assert "not there for a day" in here.chat.took[-1].text and await other.opened() == []


async def test_a_webhook_that_was_disabled_is_not_silent_when_it_is_enabled_again(here: Installation):
    await here.define("orders", scheme="none")
    await here.receive([START - 10 * DAY])
    webhooks, here.webhooks = here.webhooks, []
    watch = here.receiver(limits=Limits(disk_bytes=0, silence={"orders": HOUR}))
    now = await rounds(watch, START, 1)
    here.webhooks = webhooks
    now = await rounds(watch, now, 30)
    assert here.chat.told == []
    await rounds(watch, now + HOUR, 1)
    assert here.chat.told == [(Kind.RAISED, Rule.WEBHOOK_SILENT)]


async def test_a_storm_is_told_in_a_digest_within_the_bound_of_an_hour(here: Installation):
    for number in range(30):
        await here.define(f"w{number}", scheme="none")
        await here.receive([START - MINUTE], webhook=f"w{number}", status=Status.HELD, reason=Reason.UNREADABLE)
    watch = here.receiver(limits=Limits(disk_bytes=0, troubled=1), per_hour=3)
    now = await rounds(watch, START, 2)
    assert [len(message.notices) for message in here.chat.took] == [30]
    for step in range(3):
        here.prefect.up = not here.prefect.up
        now = await rounds(watch, now, 8)
        assert len(here.chat.took) == 2 + step if step < 2 else 3
    here.chat.took.clear()
    await rounds(watch, START + HOUR + 3 * MINUTE, 1)
    assert len(here.chat.told) == 1  # what had no room within the hour


async def test_a_channel_that_fails_is_tried_again_with_the_same_message_and_given_up_at_last(here: Installation):
    here.chat.broken = here.prefect.up = False
    here.chat.broken = True
    watch = here.receiver()
    now = await rounds(watch, START, 5)
    assert here.chat.told == []
    here.chat.broken = False
    now = await rounds(watch, now, 5)
    assert here.chat.told == [(Kind.RAISED, Rule.PREFECT_AWAY)]
    here.chat.broken, here.prefect.up = True, True
    now = await rounds(watch, now, 10)
    for hour in range(12):
        await rounds(watch, now + hour * HOUR, 1)
    here.chat.broken = False
    await rounds(watch, now + 13 * HOUR, 2)
    assert len(here.chat.told) == 1


async def test_a_full_disk_is_told_from_memory_and_its_end_too(here: Installation):
    watch = here.receiver()
    here.db.full = True
    now = await rounds(watch, START, 5)
    assert here.chat.told == [(Kind.RAISED, Rule.STORAGE_REFUSES)]
    assert [alert.trouble.rule for alert in await watch.opened()] == [Rule.STORAGE_REFUSES]
    here.db.full = False
    await rounds(watch, now, 10)
    assert here.chat.told == [(Kind.RAISED, Rule.STORAGE_REFUSES), (Kind.RESOLVED, Rule.STORAGE_REFUSES)]
    assert await watch.opened() == []


async def test_a_webhook_that_came_each_hour_of_three_weeks_is_missed(here: Installation):
    await here.define("orders", scheme="none")
    await here.receive(START - 21 * DAY + HOUR * number / 2 for number in range(48 * 21 - 12))
    await here.receive([START - MINUTE], status=Status.REJECTED, reason=Reason.BODY_TOO_LARGE)  # which is no traffic
    now = await rounds(here.receiver(), START, 1)
    assert here.chat.told == [(Kind.RAISED, Rule.WEBHOOK_SILENT)]
    assert "orders: no request for 6.5 h" in here.chat.took[0].text
    await here.receive([now])
    await rounds(here.receiver(), now + MINUTE, 15)
    assert here.chat.told[1:] == [(Kind.RESOLVED, Rule.WEBHOOK_SILENT)]


async def test_after_a_start_nobody_is_called_silent(here: Installation):
    await here.define("orders", scheme="none")
    await here.receive([START - 10 * DAY])
    limits = Limits(disk_bytes=0, silence={"orders": HOUR})
    fresh = here.receiver(limits=limits)
    fresh._started_at = START
    await rounds(fresh, START, 10)
    assert here.chat.told == []
    await rounds(fresh, START + 10 * MINUTE, 10)
    assert here.chat.told == [(Kind.RAISED, Rule.WEBHOOK_SILENT)]


async def test_a_secret_that_was_changed_at_one_end_is_named_as_the_cause(here: Installation):
    await here.define("orders", scheme="github", secret=SECRET)
    await here.receive([START - HOUR])
    here.prefect.changed_at = START - HOUR / 2
    wrong = {"status": Status.REJECTED, "reason": Reason.SIGNATURE_MISMATCH, "response_status": 401}
    await here.receive((START - number * MINUTE for number in range(6, 0, -1)), **wrong)
    watch = here.receiver()
    now = await rounds(watch, START, 1)
    assert here.chat.told == [(Kind.RAISED, Rule.VERIFICATION_FAILS)]
    assert "the block webhook-secret/orders was changed since, at 2026-11-24 11:30 UTC" in here.chat.took[0].text
    await here.receive(now + number * MINUTE for number in range(10))
    await rounds(watch, now + 10 * MINUTE, 10)
    assert here.chat.told[-1] == (Kind.RESOLVED, Rule.VERIFICATION_FAILS)


async def test_a_sender_that_counts_by_the_hour_is_counted_by_the_hour(here: Installation):
    await here.define("orders", scheme="slack", secret=SECRET)
    await here.receive((START - number * MINUTE for number in range(40, 20, -1)), response_status=500)
    await here.receive(START - number * MINUTE for number in range(20, 10, -1))
    await rounds(here.receiver(), START, 1)
    assert here.chat.told == [(Kind.RAISED, Rule.SENDER_GIVES_UP)]
    assert "20 of 30 requests within an hour" in here.chat.took[0].text


async def test_what_waits_for_prefect_too_long_is_told_and_paused_or_deleted_webhooks_are_not(here: Installation):
    await here.define("orders", scheme="none")
    await here.receive([START], status=Status.QUEUED, response_status=202)
    watch = here.receiver()
    await rounds(watch, START, 8)
    assert here.chat.told == [(Kind.RAISED, Rule.QUEUE_BEHIND)]


async def test_what_is_over_is_listed_for_a_week_and_told_ones_are_forgotten(here: Installation, db: Database):
    here.prefect.up = False
    now = await rounds(here.receiver(), START, 4)
    here.prefect.up = True
    now = await rounds(here.receiver(), now, 20)
    store = AlertStore(db)
    assert len(await store.listed(10, over=True)) == 1 and await store.listed(10, over=False) == []
    assert set((await store.counts()).values()) == {0}
    for _ in range(5):
        here.tally.count({"reason": "store_unavailable"})
    await rounds(here.receiver(), now + 8 * DAY, 2)
    assert [each.trouble.rule for each in await store.listed(10, over=True)] == [Rule.STORAGE_REFUSES]

    def notices(connection: Connection) -> int:
        return int(connection.execute(text("SELECT count(*) FROM alert_notice")).scalar_one())

    assert await db.read(notices) == 1
