"""How far the queue is behind: told to whoever looks, and in the log when it is far and when it has caught up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from receiver.dispatch.breaker import Circuit
from receiver.storage import StoreUnavailable

log = logging.getLogger(__name__)

FAR_SECONDS = 60.0
"""What is due waits for long: `webhooks check` warns from there on too."""
CAUGHT_UP_SECONDS = 5.0
_EVERY_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class QueueStanding:
    """The first of what is due has been due for `behind_seconds`, 0 when nothing is. This process asks Prefect as
    `circuit` says, and hands over `at_once` at the same time at the most."""

    behind_seconds: float
    circuit: Circuit
    at_once: int


class Lag:
    """`run()` until cancelled. `behind(now)` tells how many seconds the queue is behind."""

    def __init__(self, behind: Callable[[datetime], Awaitable[float]]) -> None:
        self._behind = behind
        self._furthest = 0.0

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                self.tell(await self._behind(datetime.now(UTC)))
            except StoreUnavailable as error:
                log.debug("how far the queue is behind is looked at later: %s", error)

    def tell(self, seconds: float) -> None:
        """One line when it is too far behind, one when it has caught up."""
        if self._furthest:
            self._furthest = max(self._furthest, seconds)
            if seconds < CAUGHT_UP_SECONDS:
                log.info("the queue has caught up; it was behind by up to %.0f s", self._furthest)
                self._furthest = 0.0
        elif seconds > FAR_SECONDS:
            log.warning("the queue is behind by %.0f s: what is due is not handed over to Prefect", seconds)
            self._furthest = seconds
