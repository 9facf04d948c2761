"""What is still to be told: in the database, and in memory for when that cannot be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Protocol

from receiver.alerts.book import Change
from receiver.alerts.message import Notice

MOST_WAITING = 500
"""Of one channel; past it the oldest are forgotten."""


class Outbox(Protocol):
    """Notices by channel."""

    async def take(self, channel: str, now: datetime) -> list[Notice]:
        """Those due, the oldest first; nobody else gets them for a while."""

    async def sent_since(self, channel: str, since: datetime) -> int:
        """How many messages went out."""

    async def sent(self, channel: str, notices: Sequence[Notice], now: datetime) -> None:
        """They went out, as one message."""

    async def failed(self, channel: str, notices: Sequence[Notice], problem: str, due_at: datetime | None) -> None:
        """They did not; to be tried again then, or (None) not any more."""


class MemoryOutbox:
    """For a receiver whose database cannot be written. What is in it ends with the process."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._waiting: dict[str, dict[int, tuple[datetime, Notice]]] = {}
        self._sent: dict[str, list[datetime]] = {}

    def put(self, changes: Sequence[Change], channels: Sequence[str], now: datetime) -> None:
        """Take up what is to be told."""
        for change in changes:
            notice = notice_of(change, next(self._numbers), now)
            for channel in channels:
                waiting = self._waiting.setdefault(channel, {})
                waiting[notice.id] = (now, notice)
                while len(waiting) > MOST_WAITING:
                    del waiting[min(waiting)]

    async def take(self, channel: str, now: datetime) -> list[Notice]:
        return [notice for due_at, notice in self._waiting.get(channel, {}).values() if due_at <= now]

    async def sent_since(self, channel: str, since: datetime) -> int:
        return sum(at > since for at in self._sent.get(channel, ()))

    async def sent(self, channel: str, notices: Sequence[Notice], now: datetime) -> None:
        for notice in notices:
            self._waiting.get(channel, {}).pop(notice.id, None)
        self._sent[channel] = [*self._sent.get(channel, ()), now][-MOST_WAITING:]

    async def failed(self, channel: str, notices: Sequence[Notice], problem: str, due_at: datetime | None) -> None:  # noqa: ARG002 (the log has it)
        waiting = self._waiting.get(channel, {})
        for notice in notices:
            waiting.pop(notice.id, None)
            if due_at is not None:
                waiting[notice.id] = (due_at, replace(notice, tries=notice.tries + 1))


def notice_of(change: Change, number: int, now: datetime) -> Notice:
    """What is told of a change."""
    return Notice(id=number, kind=change.kind, trouble=change.trouble, raised_at=change.raised_at, at=now)
