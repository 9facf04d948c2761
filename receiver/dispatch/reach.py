"""Whether Prefect can be reached, as all parts of this process that ask it have found: one breaker for all of them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from receiver.dispatch.breaker import Breaker, Circuit

log = logging.getLogger(__name__)


class Reach:
    """Told by whoever asks Prefect. While the circuit is not closed nobody asks but the one who probes."""

    def __init__(self) -> None:
        self._breaker = Breaker()
        self._closed = asyncio.Event()
        self._closed.set()

    @property
    def circuit(self) -> Circuit:
        """Whether Prefect is asked."""
        return self._breaker.state

    @property
    def is_open(self) -> bool:
        """Whether nothing is to be asked of Prefect now."""
        return self._breaker.state is not Circuit.CLOSED

    def answered(self) -> bool:
        """Prefect answered. Whether it had not before."""
        if not self._breaker.answered():
            return False
        log.info("Prefect answers again")
        self._closed.set()
        return True

    def failed(self, detail: str) -> None:
        """Prefect could not answer; `detail` is for the log."""
        self._closed.clear()
        if self._breaker.failed(time.monotonic(), random.random()):  # noqa: S311 (spread, not a secret)
            log.warning("Prefect is unreachable, deliveries are kept and handed over later: %s", detail)

    async def closed(self) -> None:
        """Return when Prefect answers."""
        await self._closed.wait()

    async def probe(self, healthy: Callable[[], Awaitable[bool]]) -> bool:
        """Wait until it is time, then ask `healthy()` whether Prefect answers again. Whether this closed the circuit.

        Returns at once when it is closed meanwhile.
        """
        if wait := self._breaker.wait(time.monotonic()):
            # Not wait_for: on Python 3.11 it loses a cancellation that comes with the event, and never ends.
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._closed.wait()
        if not self._breaker.probe(time.monotonic()):
            return False
        answers = False
        try:
            answers = await healthy()
        finally:
            if not answers:
                self.failed("the probe was not answered")
        return answers and self.answered()
