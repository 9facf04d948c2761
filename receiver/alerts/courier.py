"""Brings messages to their channels: each channel by itself, within its hour's bound, again after a failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid4, uuid5

from receiver.alerts.book import Kind
from receiver.alerts.channels import Channel, NotSent
from receiver.alerts.message import Message, Notice
from receiver.alerts.outbox import Outbox
from receiver.alerts.pacing import messages, next_wait
from receiver.alerts.trouble import Rule, Trouble

log = logging.getLogger(__name__)

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a test at a channel; `problem` is empty where the message was taken."""

    channel: str
    problem: str = ""


class Courier:
    """`channels` in use; `per_hour` bounds each that is bounded; `source` is the installation's public address."""

    def __init__(self, channels: Sequence[Channel], *, per_hour: int, source: str, installation: str) -> None:
        self.channels = tuple(channels)
        self._per_hour = per_hour
        self._source = source
        self._space = uuid5(NAMESPACE_URL, installation)

    @property
    def names(self) -> tuple[str, ...]:
        """What the channels are called."""
        return tuple(channel.name for channel in self.channels)

    async def deliver(self, outbox: Outbox, now: datetime) -> None:
        """Send what is due, by every channel at the same time. Raises `StoreUnavailable` of the outbox."""
        await asyncio.gather(*(self._deliver(channel, outbox, now) for channel in self.channels))

    async def test(self, now: datetime) -> list[Tried]:
        """Send a test by every channel, past all bounds; what came of it."""
        trouble = Trouble(
            rule=Rule.PREFECT_AWAY, summary="a test of this channel", remedy="Nothing is wrong: somebody asked for it."
        )
        notice = Notice(id=0, kind=Kind.TEST, trouble=trouble, raised_at=now, at=now)
        message = Message(id=str(uuid4()), notices=(notice,), source=self._source)

        async def attempt(channel: Channel) -> Tried:
            try:
                await channel.send(message)
            except NotSent as failure:
                return Tried(channel=channel.name, problem=str(failure))
            return Tried(channel=channel.name)

        return list(await asyncio.gather(*map(attempt, self.channels)))

    async def _deliver(self, channel: Channel, outbox: Outbox, now: datetime) -> None:
        room = None
        if channel.bounded:
            room = self._per_hour - await outbox.sent_since(channel.name, now - _HOUR)
            if room <= 0:
                return
        for notices in messages(await outbox.take(channel.name, now), room):
            numbers = ",".join(f"{each.id}@{each.at.timestamp()}" for each in notices)
            name = f"{channel.name}:{numbers}"
            try:
                await channel.send(Message(id=str(uuid5(self._space, name)), notices=notices, source=self._source))
            except NotSent as failure:
                await self._put_off(channel, outbox, notices, failure, now)
                return  # what fails for one fails for the next: they wait with it
            await outbox.sent(channel.name, notices, now)

    async def _put_off(
        self, channel: Channel, outbox: Outbox, notices: Sequence[Notice], failure: NotSent, now: datetime
    ) -> None:
        wait = next_wait(max(each.tries for each in notices) + 1)
        what = "given up" if wait is None else f"tried again in {wait.total_seconds():.0f} s"
        log.warning("a warning cannot be told by %s, %s: %s", channel.name, what, failure)
        await outbox.failed(channel.name, notices, str(failure), None if wait is None else now + wait)
