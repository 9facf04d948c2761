"""Who waits gets the first of: the reply, the end, the time being over; and nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from receiver.deliveries.lifecycle import Status
from receiver.prefect_gateway import PrefectUnavailable, ReplyEvent
from receiver.replies.rendezvous import Ended, HungUp, Outcome, Rendezvous, Replied, TimeOver
from receiver.storage import StoreUnavailable

WIRE = {"v": 1, "status": 201, "headers": {}, "body": None}


class Kept:
    """What the store keeps of replies."""

    def __init__(self) -> None:
        self.wires: dict[str, Mapping[str, Any]] = {}
        self.statuses: dict[str, Status] = {}
        self.down = False

    async def record_reply(self, delivery_id: str, attempt: int, wire: Mapping[str, Any], now: datetime) -> bool:
        self._check()
        return self.wires.setdefault(delivery_id, wire) is wire

    async def run_of(self, delivery_id: str, attempt: int) -> str | None:
        self._check()
        return "run"

    async def reply(self, delivery_id: str) -> dict[str, Any] | None:
        self._check()
        return dict(self.wires[delivery_id]) if delivery_id in self.wires else None

    async def standing(self, delivery_id: str) -> Status | None:
        self._check()
        return self.statuses.get(delivery_id)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("the disk is full")


class Source:
    """Prefect's events as the test sends them."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[ReplyEvent] = asyncio.Queue()
        self.found: list[ReplyEvent] = []
        self.breaks = 0

    async def replies(self) -> AsyncGenerator[ReplyEvent, None]:
        if self.breaks:
            self.breaks -= 1
            raise PrefectUnavailable("the stream broke")
        while True:
            yield await self.sent.get()

    async def find_replies(self, delivery_id: str) -> list[ReplyEvent]:
        return self.found


class Setting:
    def __init__(self) -> None:
        self.kept, self.source = Kept(), Source()
        self.rendezvous = Rendezvous(self.kept, self.source)
        self.gone = asyncio.Event()

    async def hung_up(self) -> None:
        await self.gone.wait()

    async def wait(self, delivery_id: str, seconds: float, *, fresh: bool) -> Outcome:
        return await self.rendezvous.wait(delivery_id, seconds, fresh=fresh, hung_up=self.hung_up)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.rendezvous.run())
        yield
        task.cancel()
        await asyncio.wait({task}, timeout=20)
        assert task.cancelled()

    async def waiting(self, delivery_id: str = "d", *, fresh: bool = True) -> asyncio.Task[Outcome]:
        """A caller that waits already."""
        task = asyncio.create_task(self.wait(delivery_id, 20, fresh=fresh))
        await asyncio.sleep(0)
        return task

    def nobody_is_left(self) -> bool:
        return not self.rendezvous._waiting


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setattr("receiver.replies.rendezvous._GRACE_SECONDS", 0.01)
    monkeypatch.setattr("receiver.replies.rendezvous._RECONNECT_SECONDS", 0.01)
    return Setting()


def event(delivery_id: str = "d", run: str = "run") -> ReplyEvent:
    return ReplyEvent(delivery_id=delivery_id, attempt=1, flow_run_id=run, wire=dict(WIRE))


async def test_everybody_who_waits_gets_the_reply_and_it_is_kept(setting: Setting):
    async with setting.listening():
        callers = [await setting.waiting() for _ in range(3)]
        setting.source.sent.put_nowait(event("another"))
        setting.source.sent.put_nowait(event())
        assert [await caller for caller in callers] == [Replied(WIRE)] * 3
        assert await setting.wait("d", 20, fresh=False) == Replied(WIRE)
    assert setting.nobody_is_left()


async def test_a_stream_that_breaks_is_listened_to_again(setting: Setting):
    setting.source.breaks = 3
    async with setting.listening():
        caller = await setting.waiting()
        setting.source.sent.put_nowait(event())
        assert await caller == Replied(WIRE)


async def test_a_reply_of_another_run_is_not_believed(setting: Setting):
    async with setting.listening():
        caller = await setting.waiting()
        setting.source.sent.put_nowait(event(run="a stranger's"))
        setting.source.sent.put_nowait(event())
        await caller
    assert setting.source.sent.empty() and setting.kept.wires == {"d": WIRE}


@pytest.mark.parametrize("status", [Status.FAILED, Status.CRASHED, Status.CANCELLED, Status.DEAD])
async def test_an_end_without_a_reply_is_told_at_once(setting: Setting, status: Status):
    caller = await setting.waiting()
    setting.rendezvous.ended("d", Status.RUNNING)
    setting.rendezvous.ended("d", status)
    assert await caller == Ended(status)


async def test_a_reply_that_its_end_overtook_is_found(setting: Setting):
    setting.source.found = [event()]
    caller = await setting.waiting()
    setting.rendezvous.ended("d", Status.COMPLETED)
    assert await caller == Replied(WIRE)
    assert setting.kept.wires == {"d": WIRE}


async def test_of_the_replies_that_prefect_keeps_only_the_own_runs_is_believed(setting: Setting):
    setting.source.found = [event(run="a stranger")]
    caller = await setting.waiting()
    setting.rendezvous.ended("d", Status.COMPLETED)
    assert await caller == Ended(Status.COMPLETED)
    assert not setting.kept.wires


async def test_an_inbox_that_cannot_be_read_takes_no_answer_from_anybody(setting: Setting):
    setting.kept.down = True
    first, duplicate = await setting.waiting(), await setting.waiting(fresh=False)
    setting.rendezvous.ended("d", Status.COMPLETED)
    assert [await first, await duplicate] == [Ended(Status.COMPLETED)] * 2


async def test_a_duplicate_of_an_ended_delivery_does_not_wait(setting: Setting):
    setting.kept.statuses["d"] = Status.CANCELLED
    assert await setting.wait("d", 20, fresh=False) == Ended(Status.CANCELLED)


async def test_time_over_and_a_caller_that_is_cancelled_leave_nothing_behind(setting: Setting):
    assert await setting.wait("d", 0.001, fresh=True) == TimeOver()
    caller = await setting.waiting()
    caller.cancel()
    await asyncio.wait({caller}, timeout=20)
    assert caller.cancelled() and setting.nobody_is_left()


async def test_a_receiver_that_stops_lets_everybody_go(setting: Setting):
    callers = [await setting.waiting("a"), await setting.waiting("b")]
    setting.rendezvous.let_go()
    assert [await caller for caller in callers] == [TimeOver()] * 2


async def test_a_caller_that_hangs_up_waits_no_longer_and_the_reply_is_kept_all_the_same(setting: Setting):
    async with setting.listening():
        callers = [await setting.waiting() for _ in range(2)]
        setting.gone.set()
        assert [await caller for caller in callers] == [HungUp()] * 2
        assert setting.nobody_is_left()
        setting.source.sent.put_nowait(event())
        async with asyncio.timeout(20):
            while not setting.kept.wires:
                await asyncio.sleep(0)
    assert setting.kept.wires == {"d": WIRE}


async def test_nobody_listens_for_a_hang_up_once_the_answer_is_there(setting: Setting):
    caller = await setting.waiting()
    setting.rendezvous.ended("d", Status.FAILED)
    await caller
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_waits_for_a_run_that_waits_for_a_person_is_answered_at_once(setting: Setting):
    caller, another = await setting.waiting("d"), await setting.waiting("e")
    setting.rendezvous.suspended("d")
    assert await caller == TimeOver() and not another.done()
    setting.rendezvous.let_go()
    await another
