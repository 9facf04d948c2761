"""Parts that run beside the requests for as long as the receiver does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0


async def kept_running(name: str, part: Callable[[], Awaitable[None]], *, first_wait: float = _FIRST_WAIT) -> None:
    """Run a part until cancelled: one that fails is told in the log and started again, later each time in a row."""
    wait = first_wait
    while True:
        began = time.monotonic()
        try:
            await part()
        except Exception:
            log.exception("the %s failed and starts again", name)
        else:
            log.error("the %s ended and starts again", name)
        if time.monotonic() - began > _LONGEST_WAIT:
            wait = first_wait
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
