"""Where a waiting caller and the reply of its flow meet, whichever process runs either."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from receiver.deliveries.lifecycle import FINISHED, Status
from receiver.prefect_gateway import PrefectUnavailable, ReplyEvent
from receiver.storage import StoreUnavailable

log = logging.getLogger(__name__)

_RECONNECT_SECONDS = 1.0
_GRACE_SECONDS = 2.0
_ENDED = FINISHED | {Status.DEAD}


@dataclass(frozen=True)
class Replied:
    """The flow replied; `wire` is not yet believed."""

    wire: Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """The delivery ended without a reply."""

    status: Status


@dataclass(frozen=True)
class TimeOver:
    """Nobody replied in time, or the run waits for a person; the run goes on."""


@dataclass(frozen=True)
class HungUp:
    """The caller is gone, so nobody waits any more; the run goes on."""


Outcome = Replied | Ended | TimeOver | HungUp


class Replies(Protocol):
    """Where replies are kept; see `DeliveryStore` for each method's promise."""

    async def record_reply(self, delivery_id: str, attempt: int, wire: Mapping[str, Any], now: datetime) -> bool: ...

    async def run_of(self, delivery_id: str, attempt: int) -> str | None: ...

    async def reply(self, delivery_id: str) -> dict[str, Any] | None: ...

    async def standing(self, delivery_id: str) -> Status | None: ...


class ReplySource(Protocol):
    """Where replies come from; `PrefectGateway` is one."""

    def replies(self) -> AsyncGenerator[ReplyEvent, None]: ...

    async def find_replies(self, delivery_id: str) -> list[ReplyEvent]: ...


class Rendezvous:
    """One per receiver. `run()` listens until cancelled; `wait` gives a caller its outcome."""

    def __init__(self, store: Replies, source: ReplySource) -> None:
        self._store = store
        self._source = source
        self._waiting: dict[str, set[asyncio.Future[Outcome]]] = {}

    async def wait(
        self, delivery_id: str, seconds: float, *, fresh: bool, hung_up: Callable[[], Awaitable[None]]
    ) -> Outcome:
        """What became of a delivery within so many seconds.

        `fresh` says that it was stored just now; `hung_up()` returns when the caller is gone.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(delivery_id, set()).add(future)
        leaving = asyncio.ensure_future(hung_up())
        leaving.add_done_callback(lambda _: _settle(future, HungUp()))
        try:
            async with asyncio.timeout(seconds):
                if not fresh:
                    with suppress(StoreUnavailable):  # the answer may be heard all the same
                        if (known := await self._known(delivery_id)) is not None:
                            return known
                outcome = await future
                if outcome == Ended(Status.COMPLETED):
                    return await self._unheard(delivery_id) or outcome
                return outcome
        except TimeoutError:
            return TimeOver()
        finally:
            leaving.cancel()
            others = self._waiting[delivery_id]
            others.discard(future)
            if not others:
                del self._waiting[delivery_id]

    def ended(self, delivery_id: str, status: Status) -> None:
        """A delivery came to a status; whoever waits is told when it is an end."""
        if delivery_id not in self._waiting or status not in _ENDED:
            return
        if status is Status.COMPLETED:
            # The reply was sent before the end and may be overtaken by it.
            asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._tell, delivery_id, Ended(status))
        else:
            self._tell(delivery_id, Ended(status))

    def suspended(self, delivery_id: str) -> None:
        """The run waits for a person, which may take days: whoever waits is answered as when the time is over."""
        self._tell(delivery_id, TimeOver())

    def let_go(self) -> None:
        """The receiver stops: whoever waits is told that the time is over; the run goes on."""
        for delivery_id in self._waiting:
            self._tell(delivery_id, TimeOver())

    async def run(self) -> None:
        """Listen for replies until cancelled."""
        while True:
            try:
                async with aclosing(self._source.replies()) as replies:
                    async for reply in replies:
                        with suppress(StoreUnavailable):
                            await self._take(reply)
            except PrefectUnavailable as error:
                log.debug("replies are not heard, trying again: %s", error)
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _take(self, reply: ReplyEvent) -> None:
        if await self._is_own(reply):
            self._tell(reply.delivery_id, Replied(reply.wire))  # the caller first, the record after
            await self._record(reply)

    async def _is_own(self, reply: ReplyEvent) -> bool:
        """Whether the attempt's own run sent it: a run that was given the same context may send one too."""
        own = await self._store.run_of(reply.delivery_id, reply.attempt)
        return own is None or own == reply.flow_run_id

    def _tell(self, delivery_id: str, outcome: Outcome) -> None:
        for future in self._waiting.get(delivery_id, ()):
            _settle(future, outcome)

    async def _known(self, delivery_id: str) -> Outcome | None:
        """The outcome of a delivery that came earlier."""
        if (wire := await self._store.reply(delivery_id)) is not None:
            return Replied(wire)
        status = await self._store.standing(delivery_id)
        if status is Status.COMPLETED:
            return await self._unheard(delivery_id) or Ended(status)
        return Ended(status) if status in _ENDED else None

    async def _unheard(self, delivery_id: str) -> Outcome | None:
        """A reply that the stream of events lost, or that overtook it: Prefect keeps it."""
        with suppress(PrefectUnavailable, StoreUnavailable):
            if (wire := await self._store.reply(delivery_id)) is not None:
                return Replied(wire)
            for reply in await self._source.find_replies(delivery_id):
                if await self._is_own(reply):
                    await self._record(reply)
                    return Replied(reply.wire)
        return None

    async def _record(self, reply: ReplyEvent) -> None:
        await self._store.record_reply(reply.delivery_id, reply.attempt, reply.wire, datetime.now(UTC))


def _settle(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    """The first outcome counts."""
    if not future.done():
        future.set_result(outcome)
