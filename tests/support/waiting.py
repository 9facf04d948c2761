"""Waiting for what another process does: look often at first, give up at a deadline.

Timeouts are seconds of a machine that does nothing else; a busy one gets `PATIENCE` times as long.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 4
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.02, 1.2, 1.0
"""A pause is about a sixth of the time waited so far: looking takes from what is waited for, a Prefect server above
all, and what takes long is not seen much later for it."""


def wait_until(predicate: Callable[[], T | None], timeout: float = 30.0, *, what: str = "") -> T:
    """The first truthy value of `predicate()`; AssertionError after the timeout, naming `what`."""
    deadline, pause = time.monotonic() + PATIENCE * timeout, _FIRST_PAUSE
    while not (value := predicate()):
        assert time.monotonic() < deadline, _too_late(predicate, timeout, what)
        time.sleep(pause)
        pause = min(_GROWTH * pause, _LONGEST_PAUSE)
    return value


async def eventually(predicate: Callable[[], Awaitable[T | None]], timeout: float = 30.0, *, what: str = "") -> T:
    """`wait_until` for a coroutine function; the event loop goes on meanwhile."""
    deadline, pause = time.monotonic() + PATIENCE * timeout, _FIRST_PAUSE
    while not (value := await predicate()):
        assert time.monotonic() < deadline, _too_late(predicate, timeout, what)
        await asyncio.sleep(pause)
        pause = min(_GROWTH * pause, _LONGEST_PAUSE)
    return value


def _too_late(predicate: object, timeout: float, what: str) -> str:
    return f"not within {PATIENCE * timeout:g} s: {what or getattr(predicate, '__name__', predicate)}"
