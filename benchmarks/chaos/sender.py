"""A sender as real ones are: it tries until it is told that we have it, sends twice, comes back later, hangs up."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import Sequence
from contextlib import suppress

import httpx
import orjson

from benchmarks.chaos.ledgers import Sent, Try
from benchmarks.loading import SECRET, SIGNATURE_HEADER

EVENT_HEADER = "X-Event-Id"
DUPLICATES, REDELIVERIES, HANG_UPS, GIVEN_UP = 0.2, 0.05, 0.05, 0.01
"""Shares of all events."""
_TIMEOUT = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 3.0
_MOST_AT_ONCE = 300


class Sender:
    """`send` starts an event on its way; `sent` is the ledger. Each try goes to one of the receivers at `urls`."""

    def __init__(self, urls: Sequence[str], seed: int) -> None:
        self.sent: list[Sent] = []
        self.skipped = 0
        self._urls = urls
        self._chance = random.Random(seed)  # noqa: S311 (to be repeated, not to be secret)
        self._tasks: set[asyncio.Task[None]] = set()
        self._http = httpx.AsyncClient(
            timeout=_TIMEOUT, trust_env=False, limits=httpx.Limits(max_connections=_MOST_AT_ONCE)
        )

    async def aclose(self) -> None:
        """Give up what is still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def pour(self, webhook: str, per_second: float, until: float) -> None:
        """Send events at this rate, whatever becomes of them, until a moment of `time.monotonic()`."""
        while time.monotonic() < until:
            if len(self._tasks) < _MOST_AT_ONCE:
                self.send(webhook)
            else:
                self.skipped += 1
            await asyncio.sleep(min(self._chance.expovariate(per_second), max(0.0, until - time.monotonic())))

    def send(self, webhook: str) -> None:
        """A new event, with all that its sender does until it has its answer and after."""
        one = self._new(webhook)
        task = asyncio.create_task(self._live(one), name=one.event)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send_plainly(self, webhook: str) -> None:
        """A new event, once, until it is acknowledged."""
        await self._until_acknowledged(self._new(webhook))

    async def finish(self, seconds: float) -> None:
        """Wait until every event has its answers, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(list(self._tasks))

    def _new(self, webhook: str) -> Sent:
        one = Sent(event=f"{webhook}-{len(self.sent)}", webhook=webhook)
        self.sent.append(one)
        return one

    async def _live(self, one: Sent) -> None:
        fate = self._chance.random()
        if fate < HANG_UPS:
            await self._try(one, self._chance.uniform(0.002, 0.05))
            if fate < GIVEN_UP:
                one.given_up = True
                return
            await asyncio.sleep(self._chance.uniform(0.0, 1.0))
        twice = self._chance.random()
        if twice < DUPLICATES / 2:  # both at once
            await asyncio.gather(self._until_acknowledged(one), self._until_acknowledged(one))
            return
        await self._until_acknowledged(one)
        if twice < DUPLICATES:
            await asyncio.sleep(self._chance.uniform(0.0, 2.0))
            await self._until_acknowledged(one)
        elif twice < DUPLICATES + REDELIVERIES:
            await asyncio.sleep(self._chance.uniform(5.0, 12.0))
            await self._until_acknowledged(one)

    async def _until_acknowledged(self, one: Sent) -> None:
        pause = _FIRST_PAUSE
        while not (await self._try(one, _TIMEOUT)).acknowledged:
            await asyncio.sleep(pause * self._chance.uniform(0.7, 1.3))
            pause = min(_LONGEST_PAUSE, 2 * pause)

    async def _try(self, one: Sent, seconds: float) -> Try:
        body = orjson.dumps({"event": one.event, "padding": "x" * 200})
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            EVENT_HEADER: one.event,
            SIGNATURE_HEADER: f"sha256={signature}",
        }
        url = f"{self._chance.choice(self._urls)}/api/webhooks/{one.webhook}"
        began = time.time()
        done = Try(at=began)
        with suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(seconds):
                answer = await self._http.post(url, content=body, headers=headers)
            done = Try(
                at=began,
                answered_at=time.time(),
                status=answer.status_code,
                delivery=answer.headers.get("webhook-delivery-id"),
            )
        one.tries.append(done)
        return done
