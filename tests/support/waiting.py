"""Waiting for what another process does: look often, give up at a deadline.

Timeouts are seconds of a machine that does nothing else; a busy one gets `PATIENCE` times as long.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 6


def wait_until(predicate: Callable[[], T | None], timeout: float = 30.0, *, what: str = "") -> T:
    """The first truthy value of `predicate()`; AssertionError after the timeout, naming `what`."""
    deadline = time.monotonic() + PATIENCE * timeout
    while not (value := predicate()):
        assert time.monotonic() < deadline, _too_late(predicate, timeout, what)
        time.sleep(0.02)
    return value


async def eventually(predicate: Callable[[], Awaitable[T | None]], timeout: float = 30.0, *, what: str = "") -> T:
    """`wait_until` for a coroutine function; the event loop goes on meanwhile."""
    deadline = time.monotonic() + PATIENCE * timeout
    while not (value := await predicate()):
        assert time.monotonic() < deadline, _too_late(predicate, timeout, what)
        await asyncio.sleep(0.02)
    return value


def _too_late(predicate: object, timeout: float, what: str) -> str:
    return f"not within {PATIENCE * timeout:g} s: {what or getattr(predicate, '__name__', predicate)}"
