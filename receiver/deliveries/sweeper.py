"""Deletes what has come of age, every ten minutes, beside the requests."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf

from receiver.deliveries.ledger import Place
from receiver.deliveries.store import DeliveryStore
from receiver.storage import StoreUnavailable

log = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
_BETWEEN_STEPS = 0.05
"""Seconds that requests have the inbox for themselves after each step."""


@dataclass(frozen=True, kw_only=True)
class Keeps:
    """How long a webhook's deliveries are kept: their bodies, and everything else. `row` is at least `body`."""

    body: timedelta = timedelta(days=30)
    row: timedelta = timedelta(days=400)


@dataclass(frozen=True, kw_only=True)
class Swept:
    """How much was deleted; `more`: the time was over before everything that has come of age was looked at."""

    bodies: int = 0
    rows: int = 0
    events: int = 0
    more: bool = False


Step = Callable[[str, datetime], Awaitable[tuple[int, bool]]]


class Sweeper:
    """`run()` until cancelled; several receivers may sweep at once.

    `keeps` tells of a webhook's key how long, None where it is not known, which deletes nothing.
    """

    def __init__(
        self, store: DeliveryStore, keeps: Callable[[str], Keeps | None], *, between_steps: float = _BETWEEN_STEPS
    ) -> None:
        self._store = store
        self._keeps = keeps
        self._between_steps = between_steps

    async def run(self) -> None:
        """Sweep, and sweep again, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                swept = await self.sweep(datetime.now(UTC))
            except StoreUnavailable as error:
                log.info("what has come of age is deleted later: %s", error)
            else:
                if swept != Swept():
                    log.info(
                        "deleted what has come of age: %d bodies, %d deliveries, %d event ids",
                        *(swept.bodies, swept.rows, swept.events),
                    )

    async def sweep(self, now: datetime, *, seconds: float = inf) -> Swept:
        """Delete all that has come of age by now, or as much of it as so many seconds allow."""
        until = time.monotonic() + seconds
        bodies = rows = 0
        for webhook in await self._store.webhooks_with_deliveries():
            keeps = self._keeps(webhook)
            if keeps is None:
                continue
            rows += await self._until_done(self._store.delete_rows, webhook, now - keeps.row, until)
            bodies += await self._until_done(self._store.delete_bodies, webhook, now - keeps.body, until)
        if time.monotonic() >= until:
            return Swept(bodies=bodies, rows=rows, more=True)
        return Swept(bodies=bodies, rows=rows, events=await self._forget(now))

    async def _until_done(self, step: Step, webhook: str, before: datetime, until: float) -> int:
        deleted, more = 0, True
        while more and time.monotonic() < until:
            count, more = await step(webhook, before)
            deleted += count
            await asyncio.sleep(self._between_steps)
        return deleted

    async def _forget(self, now: datetime) -> int:
        forgotten, after = 0, None
        while True:
            places: Sequence[Place]
            places, after = await self._store.expired_events(after, now)
            if places:
                forgotten += await self._store.forget_events(places, now)
            if after is None:
                return forgotten
            await asyncio.sleep(self._between_steps)
